"""uWebSockets as a publisher and subscriber of positions, with the least Python a message: one callback a ping.

A device opens /ingest/DRIVER and sends a ping a frame; each is published as it is to the topic DRIVER and answered with
{"ack":N}, N being the pings of this connection so far. A viewer opens /track/DRIVER,DRIVER,… and gets them.
The fan-out itself is uWebSockets' own, in C++ (in PyPI's build it runs on libuv).
"""

import sys

from socketify import App, AppListenOptions, CompressOptions, OpCode, Request, Response, WebSocket

app = App()


class Device:
    """What a device's connection knows."""

    __slots__ = ("acknowledged", "topic")

    def __init__(self, topic: bytes) -> None:
        self.topic = topic
        self.acknowledged = 0


def accept(response: Response, request: Request, context: object, data: object) -> None:
    """Completes the WebSocket handshake; `data` stays with the connection."""
    key = request.get_header("sec-websocket-key")
    protocol = request.get_header("sec-websocket-protocol")
    extensions = request.get_header("sec-websocket-extensions")
    response.upgrade(key, protocol, extensions, context, data)


def upgrade_device(response: Response, request: Request, context: object) -> None:
    accept(response, request, context, Device(request.get_parameter(0).encode()))


def upgrade_viewer(response: Response, request: Request, context: object) -> None:
    accept(response, request, context, request.get_parameter(0).split(","))


def open_viewer(socket: WebSocket) -> None:
    for driver in socket.get_user_data():
        socket.subscribe(driver)


def ping(socket: WebSocket, message: str, opcode: OpCode) -> None:
    device = socket.get_user_data()
    app.publish(device.topic, message, OpCode.TEXT)
    device.acknowledged += 1
    socket.send(b'{"ack":%d}' % device.acknowledged, OpCode.TEXT)


def nothing(socket: WebSocket, message: str, opcode: OpCode) -> None:
    """Viewers say nothing."""


limits = {"compression": CompressOptions.DISABLED, "idle_timeout": 0, "max_backpressure": 1 << 20}
app.ws("/ingest/:driver", limits | {"upgrade": upgrade_device, "message": ping})
app.ws("/track/:drivers", limits | {"upgrade": upgrade_viewer, "open": open_viewer, "message": nothing})
app.listen(
    AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"),
    lambda options: print("listening", flush=True),
)
# socketify's own run() asks both its loop and asyncio's without end while there is traffic, and takes a whole core for
# it. Nothing here is asynchronous, so that its loop alone, which sleeps in the kernel, is enough and far cheaper.
app.loop.uv_loop.run()
