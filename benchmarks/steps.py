"""What each step of a frame costs, alone: `python -m benchmarks.steps`.

CPU time in nanoseconds, the median of several repetitions. The sum of the steps is a little more
than a whole frame: each is called from a loop of its own, with its own call of a function.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from statistics import median
from time import process_time_ns
from typing import Any

from . import database
from .driver import Message, Sink, close_sockets, open_sockets
from .frames import DATA, FRAMES

#: Repetitions, and calls in each.
REPETITIONS, CALLS = 9, 20_000

Step = Callable[[], Any]


class Silence(Sink):
    """Ignores what the application sends."""

    def add(self, socket: Any, message: Message) -> None:
        """Ignore it."""


async def nothing() -> None:
    """Do nothing, in a task."""


def finish(work: Awaitable[Any]) -> Any:
    """Run what does not wait, to its end."""
    iterator = work.__await__()
    try:
        next(iterator)
    except StopIteration as end:
        return end.value
    raise RuntimeError("This step has to wait.")


def drop(work: Coroutine[Any, Any, Any]) -> None:
    """Make a coroutine, and do not run it."""
    work.close()


def measure(step: Step) -> float:
    """Return the nanoseconds of CPU of one call, without those of an empty loop."""
    samples = []
    for _ in range(REPETITIONS):
        start = process_time_ns()
        for _call in range(CALLS):
            step()
        middle = process_time_ns()
        for _call in range(CALLS):
            pass
        samples.append((2 * middle - start - process_time_ns()) / CALLS)
    return median(samples)


async def measured() -> dict[str, float]:
    """Return the nanoseconds of each step of an echo by a `SocketRouteView`, in their order."""
    from rest_channels.decorators import socket_route
    from rest_channels.views import SocketRouteView

    class Echo(SocketRouteView):
        connections: list[Any] = []

        async def connect(self, request: Any) -> None:
            self.connections.append(self.connection)

        @socket_route
        async def echo(self, request: Any, data: Any) -> Any:
            return data

    (socket,) = sockets = await open_sockets(Echo.as_asgi(), 1)
    socket.sink = Silence()
    taken = {label: measure(step) for label, step in steps(Echo(), Echo.connections.pop()).items()}
    await close_sockets(sockets)
    return taken


def steps(view: Any, connection: Any) -> dict[str, Step]:
    """Return the steps of a frame that `view`, a new one, handles on `connection`."""
    from rest_channels.concurrency.execution import is_async

    text = json.dumps(FRAMES["echo"])
    frame, message = (text, None, len(text)), {"type": "websocket.receive", "text": text}
    view._take_request(request_of(connection, frame), (), {})
    handler, arguments, _ = view.find_handler()
    answer = view.render_result(DATA)
    return {
        "limits on size and rates": lambda: connection.inbox.admit(message),
        "request and view": lambda: drop(connection.handler.receive(frame)),
        "a task with its own context": lambda: connection.call_queue.start(nothing()),
        "JSON is parsed": lambda: request_of(connection, frame).data,
        "the method is found": view.find_handler,
        "permissions and throttles (none)": view.check,
        "`async def` or `def`": lambda: is_async(handler),
        "the handler": lambda: finish(handler(*arguments)),
        "the answer is rendered": lambda: view.render_result(DATA),
        "the answer is sent": lambda: finish(connection.answer(answer)),
        "all of it": lambda: connection._take(message),
    }


def request_of(connection: Any, frame: Any) -> Any:
    """Return a new request."""
    from rest_channels.request import SocketRequest

    return SocketRequest(connection, "receive", frame, 1)


async def main() -> None:
    """Print a table."""
    print("| step of an echo | ns |\n| --- | ---: |")
    for label, nanoseconds in (await measured()).items():
        print(f"| {label} | {nanoseconds:,.0f} |")


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
