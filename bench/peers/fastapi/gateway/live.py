"""Newest positions into Redis, and from Redis' channels to the viewers, of this worker or any other."""

import asyncio
import time
from collections import defaultdict

import orjson
from fastapi import WebSocket
from redis.asyncio import Redis

from .judge import Position

TICK = 0.02  # s: positions of one tick share a pipeline
TTL = 300_000  # ms


def fields_of(position: Position) -> dict[str, float]:
    """The hash's fields; what is unknown is absent."""
    fields = {
        "lat": position.lat,
        "lng": position.lng,
        "accuracy": position.accuracy,
        "recorded_at": position.recorded_at,
    }
    if position.speed is not None:
        fields["speed"] = position.speed
    if position.heading is not None:
        fields["heading"] = position.heading
    return fields


class Publisher:
    """One pipeline a tick, the newest position of each driver in it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._newest: dict[str, Position] = {}

    def put(self, position: Position) -> None:
        self._newest[position.driver] = position

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if not self._newest:
                continue
            newest, self._newest = self._newest, {}
            pipeline = self._redis.pipeline(transaction=False)
            places: list[float | str] = []
            for driver, position in newest.items():
                key = f"driver:{driver}:location"
                fields = fields_of(position)
                pipeline.hset(key, mapping=fields)
                pipeline.pexpire(key, TTL)
                pipeline.publish(key, orjson.dumps({"driver_id": driver, **fields}))
                places += (position.lng, position.lat, driver)
            pipeline.geoadd("drivers:geo", places)
            await pipeline.execute()


class Viewer:
    """A viewer's connection. A slow one gets the newest of each driver when it reads again, never a queue."""

    __slots__ = ("_newest", "_wake", "socket")

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self._newest: dict[str, str] = {}
        self._wake = asyncio.Event()

    def put(self, driver: str, text: str) -> None:
        self._newest[driver] = text
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            newest, self._newest = self._newest, {}
            positions = ",".join(newest.values())
            await self.socket.send_text(f'{{"now":{int(time.time() * 1000)},"positions":[{positions}]}}')


class Audience:
    """Who watches which driver. Redis is asked only for drivers that somebody watches."""

    def __init__(self, redis: Redis) -> None:
        self._channels = redis.pubsub(ignore_subscribe_messages=True)
        self._viewers: defaultdict[str, set[Viewer]] = defaultdict(set)

    async def join(self, viewer: Viewer, drivers: list[str]) -> None:
        new = [f"driver:{driver}:location" for driver in drivers if not self._viewers[driver]]
        for driver in drivers:
            self._viewers[driver].add(viewer)
        if new:
            await self._channels.subscribe(*new)

    async def leave(self, viewer: Viewer, drivers: list[str]) -> None:
        for driver in drivers:
            self._viewers[driver].discard(viewer)
        gone = [f"driver:{driver}:location" for driver in drivers if not self._viewers[driver]]
        if gone:
            await self._channels.unsubscribe(*gone)

    async def run(self) -> None:
        while True:
            if not self._channels.subscribed:
                await asyncio.sleep(TICK)
                continue
            message = await self._channels.get_message(timeout=None)
            if message is not None:
                driver = message["channel"].decode().split(":")[1]
                text = message["data"].decode()
                for viewer in self._viewers[driver]:
                    viewer.put(driver, text)
