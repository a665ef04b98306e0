"""Positions into Postgres in batches; whoever waits is told after the commit."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

import asyncpg

from .judge import Position

TICK = 0.1  # s between batches
LIMIT = 50_000  # positions that may wait
COLUMNS = ("driver_id", "recorded_at", "lat", "lng", "speed", "heading", "accuracy", "received_at")
SCHEMA = """
CREATE SCHEMA IF NOT EXISTS fastapi;
CREATE TABLE IF NOT EXISTS fastapi.driver_location_events (
    driver_id text NOT NULL, recorded_at timestamptz NOT NULL, lat double precision NOT NULL,
    lng double precision NOT NULL, speed real, heading real, accuracy real NOT NULL, received_at timestamptz NOT NULL,
    PRIMARY KEY (driver_id, recorded_at));
"""
# COPY knows no ON CONFLICT, and a device that sends again must not break the batch of all others.
STAGING = "CREATE TEMP TABLE staging (LIKE fastapi.driver_location_events) ON COMMIT DELETE ROWS"
MOVE = "INSERT INTO fastapi.driver_location_events SELECT * FROM staging ON CONFLICT DO NOTHING"


class Overloaded(Exception):
    """Too many positions wait; the device sends again later."""


class Sender(Protocol):
    """Who hears that its first `count` pings are durable."""

    def durable(self, count: int) -> None: ...


class History:
    """Gathers rows for a tick, writes them in one transaction, then tells their senders."""

    def __init__(self) -> None:
        self._rows: list[tuple[object, ...]] = []
        self._waiting: dict[Sender, int] = {}

    def add(self, position: Position) -> None:
        if len(self._rows) >= LIMIT:
            raise Overloaded
        self._rows.append(
            (
                position.driver,
                datetime.fromtimestamp(position.recorded_at / 1000, UTC),
                position.lat,
                position.lng,
                position.speed,
                position.heading,
                position.accuracy,
                datetime.fromtimestamp(position.received_at / 1000, UTC),
            )
        )

    def acknowledge(self, sender: Sender, count: int) -> None:
        """Tells `sender` once everything added until now is committed."""
        self._waiting[sender] = count

    async def run(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(SCHEMA)
        await connection.execute(STAGING)
        while True:
            await asyncio.sleep(TICK)
            rows, self._rows = self._rows, []
            waiting, self._waiting = self._waiting, {}
            if rows:
                async with connection.transaction():
                    await connection.copy_records_to_table("staging", records=rows, columns=COLUMNS)
                    await connection.execute(MOVE)
            for sender, count in waiting.items():
                sender.durable(count)
