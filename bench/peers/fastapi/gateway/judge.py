"""What a ping can become. The rules and their numbers are Drover's, so that both do the same work."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

METRES_PER_DEGREE = 111_195.0
MAXIMUM_SPEED = 70.0  # m/s
MAXIMUM_ACCURACY = 200.0  # m
FUTURE_LIMIT = 30_000  # ms
RETENTION = 7 * 86_400_000  # ms


class Verdict(Enum):
    ACCEPTED = 0
    LATE = 1
    DUPLICATE = 2
    REJECTED = 3


@dataclass(slots=True, frozen=True)
class Position:
    """A checked ping. Times are epoch milliseconds, the rest degrees, metres and metres per second."""

    driver: str
    recorded_at: int
    lat: float
    lng: float
    accuracy: float
    speed: float | None
    heading: float | None
    received_at: int


class Malformed(ValueError):
    """The ping lacks what it must have, or has it in another type."""


def parse(value: Any, received_at: int) -> Position:
    """A position from decoded JSON, its ranges not yet judged."""
    try:
        driver, recorded_at = value["driver_id"], value["recorded_at"]
        lat, lng, accuracy = float(value["lat"]), float(value["lng"]), float(value["accuracy"])
        speed, heading = value.get("speed"), value.get("heading")
        if type(driver) is not str or not 0 < len(driver) <= 64 or type(recorded_at) is not int:
            raise Malformed("driver_id or recorded_at")
        if speed is not None:
            speed = min(float(speed), MAXIMUM_SPEED) if speed >= 0 else None
        if heading is not None:
            heading = float(heading) if 0 <= heading < 360 else None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Malformed(str(error)) from error
    return Position(driver, recorded_at, lat, lng, accuracy, speed, heading, received_at)


class Judge:
    """Remembers each driver's newest position."""

    def __init__(self) -> None:
        self._newest: dict[str, Position] = {}

    def judge(self, position: Position) -> Verdict:
        if not (-90 <= position.lat <= 90 and -180 <= position.lng <= 180) or position.lat == position.lng == 0:
            return Verdict.REJECTED
        if not 0 < position.accuracy < MAXIMUM_ACCURACY:
            return Verdict.REJECTED
        age = position.received_at - position.recorded_at
        if not -FUTURE_LIMIT <= age <= RETENTION:
            return Verdict.REJECTED
        newest = self._newest.get(position.driver)
        if newest is not None:
            passed = position.recorded_at - newest.recorded_at
            if passed == 0:
                return Verdict.DUPLICATE
            if passed < 0:
                return Verdict.LATE
            if is_jump(newest, position, passed / 1000):
                return Verdict.REJECTED
        self._newest[position.driver] = position
        return Verdict.ACCEPTED


def is_jump(last: Position, next: Position, seconds: float) -> bool:
    """Whether the way between them, less both accuracies, is faster than anybody drives."""
    north = (next.lat - last.lat) * METRES_PER_DEGREE
    east = (next.lng - last.lng) * METRES_PER_DEGREE * math.cos(math.radians(next.lat))
    distance = math.sqrt(north * north + east * east) - last.accuracy - next.accuracy
    return distance > MAXIMUM_SPEED * seconds
