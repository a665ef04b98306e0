"""The gateway with everything in batches. WebSockets: /ingest for devices, /track/DRIVER,DRIVER,… for viewers."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import Redis

from .history import History, Overloaded
from .judge import Judge, Malformed, Verdict, parse
from .live import Audience, Publisher, Viewer

judge = Judge()
history = History()
redis = Redis.from_url(os.environ["DROVER_REDIS_URL"])
publisher = Publisher(redis)
audience = Audience(redis)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    # What is loaded by now stays: the collector need not look through it again and again.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(history.run(os.environ["DROVER_POSTGRES_URL"])),
            tasks.create_task(publisher.run()),
            tasks.create_task(audience.run()),
        ]
        yield
        for task in running:
            task.cancel()
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


class Device:
    """Counts a connection's pings and acknowledges those that are durable, once a batch."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.received = 0
        self._acknowledged = 0
        self._wake = asyncio.Event()

    def durable(self, count: int) -> None:
        self._acknowledged = count
        self._wake.set()

    async def acknowledge(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.socket.send_text(f'{{"ack":{self._acknowledged}}}')


def take(text: str) -> None:
    """One frame: a ping."""
    try:
        position = parse(orjson.loads(text), int(time.time() * 1000))
    except (Malformed, orjson.JSONDecodeError):
        return
    verdict = judge.judge(position)
    if verdict is Verdict.ACCEPTED:
        publisher.put(position)
    if verdict is Verdict.ACCEPTED or verdict is Verdict.LATE:
        history.add(position)


@app.websocket("/ingest")
async def ingest(socket: WebSocket) -> None:
    await socket.accept()
    device = Device(socket)
    acknowledging = asyncio.create_task(device.acknowledge())
    try:
        while True:
            text = await socket.receive_text()
            take(text)
            device.received += 1
            history.acknowledge(device, device.received)
    except WebSocketDisconnect:
        pass
    except Overloaded:
        await socket.close(1013)
    finally:
        acknowledging.cancel()


@app.websocket("/track/{drivers}")
async def track(socket: WebSocket, drivers: str) -> None:
    await socket.accept()
    watched = drivers.split(",")
    viewer = Viewer(socket)
    await audience.join(viewer, watched)
    sending = asyncio.create_task(viewer.run())
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        sending.cancel()
        await audience.leave(viewer, watched)
