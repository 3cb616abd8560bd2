"""The connection of an instance that no client has connected, as in a unit test.

consumer = People()
consumer.scope = {"user": ada}
rows, status = await consumer.list()
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, NoReturn, TypeVar, cast

from asgiref.sync import async_to_sync

from ..concurrency.awaitables import DONE, Sent
from ..protocol.asgi_messages import accept_message, close_message, frame_message
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .connection import Connection, State
from .hub import Hub
from .publish import current_hub
from .subscriptions import GroupSubscriptions

__all__ = ["is_connected", "unconnected"]

T = TypeVar("T")

HANDSHAKE = {
    "type": "websocket",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"testserver")],
    "server": ("testserver", 80),
}
"""What a scope has without a handshake, where the test gives nothing else."""


def unconnected(owner: Any) -> Connection:
    """Return what `owner`, a consumer or a view, uses in place of a connection."""
    return cast("Connection", UnconnectedConnection(owner))


def is_connected(connection: Connection) -> bool:
    """Return whether `connection` has a client."""
    return not isinstance(connection, UnconnectedConnection)


class UnconnectedConnection:
    """Has the attributes of a `Connection`. It joins no group, and has no client to send to.

    What is sent is passed to `owner.base_send`, which a test may set as with Channels' consumers.
    """

    state = State.OPEN
    address = "unconnected"
    partition = ""
    locale = None
    subprotocol: str | None = None
    needs_queue = False
    connect_called = True
    has_ended = True  # nothing would stop what begins in a unit test
    identity_check = None
    close_code = 0
    on_ended: tuple[Callable[[], Awaitable[None]], ...] = ()
    on_closing: tuple[Callable[[], Any], ...] = ()

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        # A unit test replaces methods of the instance: they are called, not skipped.
        vars(owner).update(_default_checks=False, _default_replies=False)
        self.loop_bridge = UnconnectedBridge()
        self.groups = UnconnectedGroups(api_settings.MAX_SUBSCRIPTIONS)
        self.view_state: dict[str, Any] = {}
        self._own_scope: dict[str, Any] = {}

    @property
    def scope(self) -> dict[str, Any]:
        """The scope that the test has set, completed."""
        scope = vars(self.owner).get("scope", self._own_scope)
        for key, value in HANDSHAKE.items():
            scope.setdefault(key, value)
        return scope  # type: ignore[no-any-return]

    @property
    def hub(self) -> Hub:
        """The hub of the running loop. Raises `RuntimeError` without one."""
        return current_hub()

    def watch_account(self) -> None:
        """Do nothing: there is no connection that could end with a user."""

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        return self._send(dict(frame_message(text, data)))

    def answer(self, text: str | None) -> Awaitable[None]:
        return DONE if text is None else self.send(text=text)

    def send_event(self, event: Event) -> Sent:
        return self.send(text=event.text, data=event.binary)

    send_rendered = send_event

    def accept(self, subprotocol: str | None = None, headers: Any = ()) -> Sent:
        return self._send(dict(accept_message(subprotocol, headers)))

    def close(self, code: int = 1000, reason: str = "") -> Sent:
        return self._send(dict(close_message(code, reason)))

    def deliver(self, event: Event | Gap) -> NoReturn:
        raise self._error()

    def _send(self, message: dict[str, Any]) -> Sent:
        base_send = vars(self.owner).get("base_send")
        if base_send is None:
            raise self._error()
        return self.loop_bridge.start_or_wait(_awaited(base_send(message)))

    def _error(self) -> RuntimeError:
        name = type(self.owner).__name__
        return RuntimeError(
            f"This {name} was never connected, so it has no client to send to. In a unit test "
            "replace the method that it calls, for example by send_json = AsyncMock(). To test "
            "frames, connect it with rest_channels.testing.SocketCommunicator."
        )


class UnconnectedBridge:
    """Calls everything where it is, because no event loop owns the instance."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def on_loop(self) -> bool:
        return True

    def call(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    def start_or_wait(self, work: Coroutine[Any, Any, Any]) -> Sent:
        try:
            task = self.begin(work)
        except RuntimeError:  # a thread has no running loop
            async_to_sync(_awaited)(work)
            return DONE
        return Sent(lambda: asyncio.shield(task))

    def begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        return self.loop.create_task(work)


class UnconnectedGroups(GroupSubscriptions):
    """Records the groups that the instance would be in."""

    all_joined = True

    def join(self, group: str, subscriber: Hashable = None, receiver: None = None) -> Sent:
        self.add(group, subscriber)
        return DONE

    def leave(self, group: str, subscriber: Hashable = None) -> None:
        self.discard(group, subscriber)

    join_layer_group = join
    leave_layer_group = leave

    async def wait_joined(self) -> None:
        """Return at once."""


async def _awaited(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value
