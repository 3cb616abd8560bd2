"""The steps of connecting and closing, each alone: `python -m benchmarks.instructions steps`.

The steps are those of a client without a login, and of a class that overrides nothing. The server
never makes the application wait, so all of it runs in one call, without a task of the server.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from .driver import Message, make_scope

Steps = dict[str, Callable[[], Any]]
Measure = Callable[[Callable[[], Any]], float]


class Server:
    """A client that connects and leaves at once."""

    def __init__(self) -> None:
        self.messages: list[Message]
        self.messages = [{"type": "websocket.disconnect"}, {"type": "websocket.connect"}]

    async def receive(self) -> Message:
        """ASGI's `receive`, which never waits."""
        return self.messages.pop()

    async def send(self, message: Message) -> None:
        """ASGI's `send`, which never waits."""


def finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that does not wait, to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("This step has to wait.")


async def nothing() -> None:
    """Do nothing, in a task."""


def serve(application: Any) -> None:
    """Let a client connect and leave."""
    server = Server()
    finish(application(make_scope(), server.receive, server.send))


def new_connection() -> Any:
    """Return a connection without a class."""
    from rest_channels.engine.connection import Connection
    from rest_channels.engine.handler import EndedHandler

    server = Server()
    return Connection(make_scope(), server.receive, server.send, lambda _connection: EndedHandler())


def with_queue() -> Any:
    """Return a connection that is about to read."""
    connection = new_connection()
    connection.call_queue = connection.new_call_queue()
    return connection


async def in_pool() -> None:
    """Do nothing, where threads are those of the pool."""
    from rest_channels.concurrency.pool_blocks import use_thread_pool

    async with use_thread_pool():
        pass


def register(connection: Any) -> None:
    """Make a connection known in its hub, and forget it."""
    connection.hub.add_connection(connection)
    finish(connection.hub.reachable(connection))
    connection.hub.remove_connection(connection)


def count(connection: Any) -> None:
    """Count the socket of a connection, and count it no more."""
    connection.hub.sockets.count(connection, connection.scope)
    connection.hub.sockets.release(connection)


def identify(connection: Any) -> None:
    """Find the session, the user and the token of a connection, and forget them."""
    from rest_channels.engine.revocation_index import forget_connection, identify_connection

    finish(identify_connection(connection.hub, connection))
    forget_connection(connection.hub, connection)


def connection_steps(new_handler: Callable[[Any], Any]) -> Steps:
    """Return the steps of a connection, whose handler `new_handler` makes."""
    from rest_channels.concurrency.tasks import start_task
    from rest_channels.engine.ending import Ending
    from rest_channels.handshake.locale import locale_of
    from rest_channels.handshake.origins import origin_safe

    connection, scope, loop = with_queue(), make_scope(), asyncio.get_running_loop()
    connection.hub.add_connection(connection)  # the last one would end the hub's work
    return {
        "a task with a context": lambda: start_task(nothing(), loop, copy_context()),
        "new": new_connection,
        "ended": lambda: finish(Ending(with_queue()).run(1000)),
        "language and time zone": lambda: locale_of(scope),
        "the class: its adapter or consumer": lambda: new_handler(connection),
        "order: a queue and its context": connection.new_call_queue,
        "threads: those of the pool": lambda: finish(in_pool()),
        "limits on sockets": lambda: count(connection),
        "session, user and token": lambda: identify(connection),
        "permissions, and the methods of the class": new_handler(connection).connect,
        "addresses and the link": lambda: register(connection),
        "the origin": lambda: origin_safe(scope),
    }


def measured(measure: Measure) -> dict[str, tuple[float, float]]:
    """Return what `measure` returns for each step: of a view, and of an `AsyncAPIConsumer`."""
    from rest_channels.consumers import AsyncAPIConsumer
    from rest_channels.dispatch.adapters import ConsumerAdapter, ViewAdapter

    from .peers.ours import PEER, Echo

    view = Echo.as_view()
    columns = [
        _column(PEER["echo"], lambda connection: ViewAdapter(connection, view), measure),
        _column(
            PEER["consumer"],
            lambda connection: ConsumerAdapter(_of(AsyncAPIConsumer(), connection), connection),
            measure,
        ),
    ]
    return {label: (columns[0][label], columns[1][label]) for label in columns[0]}


def _of(consumer: Any, connection: Any) -> Any:
    consumer._connection = connection
    return consumer


def _column(application: Any, new_handler: Any, measure: Measure) -> dict[str, float]:
    from .peers.bare import PEER as BARE
    from .peers.guarded import PEER as GUARDED

    taken = {label: measure(step) for label, step in connection_steps(new_handler).items()}
    origin, locale = taken.pop("the origin"), taken["language and time zone"]
    new, ended = taken.pop("new"), taken.pop("ended")
    taken["the scope, limits on frames, outbox, groups: their objects"] = new - locale
    taken["the end"] = ended - new - taken["order: a queue and its context"]
    whole = measure(lambda: serve(application))
    return {
        **taken,
        "the rest: reading, and the calls between the steps": whole - sum(taken.values()),
        "all of it": whole,
        "the same by hand, with the limits on frames only": measure(lambda: serve(GUARDED["echo"])),
        "the same by hand, without any of it": measure(lambda: serve(BARE["echo"])),
        "before it, in `SocketApplication`: the origin": origin,
    }
