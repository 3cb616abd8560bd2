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


async def measured(application: Callable[[list[Any]], Any], steps: Any) -> dict[str, float]:
    """Return the nanoseconds of each of the `steps` of a frame, in their order.

    `application` returns the ASGI application for a list, in which it puts the view or consumer.
    """
    owners: list[Any] = []
    (socket,) = sockets = await open_sockets(application(owners), 1)
    socket.sink = Silence()
    taken = {label: measure(step) for label, step in steps(owners.pop()).items()}
    await close_sockets(sockets)
    return taken


def echo(owners: list[Any]) -> Any:
    """Return a `SocketRouteView` that answers with the same data."""
    from rest_channels.decorators import socket_route
    from rest_channels.views import SocketRouteView

    class Echo(SocketRouteView):
        async def connect(self, request: Any) -> None:
            owners.append(self)

        @socket_route
        async def echo(self, request: Any, data: Any) -> Any:
            return data

    return Echo.as_asgi()


def action(owners: list[Any]) -> Any:
    """Return an `AsyncAPIConsumer` whose action answers with the same data, with a permission."""
    from .peers.ours import Actions

    class Action(Actions):
        async def connect(self) -> None:
            owners.append(self)
            await super().connect()

    return Action.as_asgi()


def echo_steps(handled: Any) -> dict[str, Step]:
    """Return the steps of a frame for another view of the class and connection of `handled`."""
    from rest_channels.concurrency.execution import is_async

    connection, view = handled.connection, type(handled)()
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


def action_steps(consumer: Any) -> dict[str, Step]:
    """Return the steps of a frame that `consumer` handles."""
    from rest_channels.concurrency.execution import is_async

    connection = consumer._connection
    text = json.dumps(FRAMES["actions"])
    frame, message = (text, None, len(text)), {"type": "websocket.receive", "text": text}
    invocation = consumer._invocation(frame)
    handler, _, arguments = invocation.find_handler()
    answer = invocation.render_result((DATA, 200))
    return {
        "limits on size and rates": lambda: connection.inbox.admit(message),
        "an object for the frame": lambda: drop(connection.handler.receive(frame)),
        "a task with its own context": lambda: connection.call_queue.start(nothing()),
        "JSON is parsed, and the action found": lambda: consumer._invocation(frame).find_handler(),
        "a permission": lambda: finish(invocation.check()),
        "`async def` or `def`": lambda: is_async(handler),
        "the action": lambda: finish(handler(**arguments)),
        "the answer is rendered": lambda: invocation.render_result((DATA, 200)),
        "the answer is sent": lambda: finish(connection.answer(answer)),
        "all of it": lambda: connection._take(message),
    }


def request_of(connection: Any, frame: Any) -> Any:
    """Return a new request."""
    from rest_channels.request import SocketRequest

    return SocketRequest(connection, "receive", frame, 1)


async def main() -> None:
    """Print the tables."""
    for kind, application, steps in (
        ("an echo", echo, echo_steps),
        ("an action", action, action_steps),
    ):
        print(f"\n| step of {kind} | ns |\n| --- | ---: |")
        for label, nanoseconds in (await measured(application, steps)).items():
            print(f"| {label} | {nanoseconds:,.0f} |")


if __name__ == "__main__":
    database.prepare()
    asyncio.run(main())
