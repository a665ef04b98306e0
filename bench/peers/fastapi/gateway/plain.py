"""The same gateway as it is written first: every ping waits for its own Redis pipeline and its own INSERT.

Only devices: viewers are as in batched.py.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import orjson
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import BlockingConnectionPool, Redis

from .history import COLUMNS, SCHEMA
from .judge import Judge, Malformed, Position, Verdict, parse
from .live import TTL, fields_of

INSERT = f"""
INSERT INTO fastapi.driver_location_events ({", ".join(COLUMNS)}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
"""

judge = Judge()
redis = Redis(connection_pool=BlockingConnectionPool.from_url(os.environ["DROVER_REDIS_URL"], max_connections=10))
postgres: asyncpg.Pool


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global postgres
    async with asyncpg.create_pool(os.environ["DROVER_POSTGRES_URL"], min_size=10, max_size=10) as postgres:
        await postgres.execute(SCHEMA)
        yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


async def publish(position: Position) -> None:
    key = f"driver:{position.driver}:location"
    fields = fields_of(position)
    pipeline = redis.pipeline(transaction=False)
    pipeline.hset(key, mapping=fields)
    pipeline.pexpire(key, TTL)
    pipeline.geoadd("drivers:geo", (position.lng, position.lat, position.driver))
    pipeline.publish(key, orjson.dumps({"driver_id": position.driver, **fields}))
    await pipeline.execute()


async def store(position: Position) -> None:
    await postgres.execute(
        INSERT,
        position.driver,
        datetime.fromtimestamp(position.recorded_at / 1000, UTC),
        position.lat,
        position.lng,
        position.speed,
        position.heading,
        position.accuracy,
        datetime.fromtimestamp(position.received_at / 1000, UTC),
    )


@app.websocket("/ingest")
async def ingest(socket: WebSocket) -> None:
    await socket.accept()
    received = 0
    try:
        while True:
            text = await socket.receive_text()
            try:
                position = parse(orjson.loads(text), int(time.time() * 1000))
            except (Malformed, orjson.JSONDecodeError):
                verdict = Verdict.REJECTED
            else:
                verdict = judge.judge(position)
            if verdict is Verdict.ACCEPTED:
                await publish(position)
            if verdict is Verdict.ACCEPTED or verdict is Verdict.LATE:
                await store(position)
            received += 1
            await socket.send_text(f'{{"ack":{received}}}')
    except WebSocketDisconnect:
        pass
