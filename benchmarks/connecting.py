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


def connection_steps(new_handler: Callable[[Any], Any]) -> Steps:
    """Return the steps of a connection, whose handler `new_handler` makes."""
    from rest_channels.concurrency.pool_blocks import use_thread_pool
    from rest_channels.concurrency.tasks import start_task
    from rest_channels.engine.connection import Connection
    from rest_channels.engine.ending import Ending
    from rest_channels.engine.handler import EndedHandler
    from rest_channels.engine.revocation_index import forget_connection, identify_connection
    from rest_channels.handshake.locale import locale_of
    from rest_channels.handshake.origins import origin_safe

    scope, server, loop = make_scope(), Server(), asyncio.get_running_loop()

    def new() -> Connection:
        return Connection(scope, server.receive, server.send, lambda _connection: EndedHandler())

    def new_with_queue() -> Connection:
        connection = new()
        connection.call_queue = connection.new_call_queue()
        return connection

    connection = new_with_queue()
    handler, hub = new_handler(connection), connection.hub
    hub.add_connection(connection)  # it stays, because the last one would end the hub's work

    async def block() -> None:
        async with use_thread_pool():
            pass

    def register() -> None:
        other = connection
        hub.add_connection(other)
        finish(hub.reachable(other))
        hub.remove_connection(other)

    def identify() -> None:
        finish(identify_connection(hub, connection))
        forget_connection(hub, connection)

    def count() -> None:
        connection.scope.pop("rest_channels.socket", None)
        hub.sockets.count(connection, connection.scope)
        hub.sockets.release(connection)

    return {
        "a task with a context": lambda: start_task(nothing(), loop, copy_context()),
        "new": new,
        "ended": lambda: finish(Ending(new_with_queue()).run(1000)),
        "language and time zone": lambda: locale_of(scope),
        "the class: its adapter or consumer": lambda: new_handler(connection),
        "order: a queue and its context": connection.new_call_queue,
        "threads: those of the pool": lambda: finish(block()),
        "limits on sockets": count,
        "session, user and token": identify,
        "permissions, and the methods of the class": handler.connect,
        "addresses and the link": register,
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
    taken["limits on frames, outbox, groups: their objects"] = new - locale
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
