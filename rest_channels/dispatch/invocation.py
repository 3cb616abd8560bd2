"""One event on its way to its handler."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..engine.connection import Connection
from ..protocol.dialects import Dialect, PlainDialect
from ..protocol.messages import Call, Reply
from ..renderers import encode
from .errors import error_reply

__all__ = ["DirectInvocation", "Invocation", "Target"]

Target = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A handler and its arguments."""


class Invocation(Protocol):
    """The steps of one event: a `SocketView`, or what the adapter of a consumer makes.

    Every step may raise an exception of `rest_channels.exceptions` or of DRF. A check that has to
    wait returns an awaitable.
    """

    event: str
    call: Call

    @property
    def connection(self) -> Connection:
        """The connection of the event."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of the frame and of its answer."""

    def get_call(self) -> Call:
        """Read the call from the frame. Raises 400 for what the dialect cannot read."""

    def get_target(self) -> Target:
        """Return the handler and its arguments. Raises 405 where there is none."""

    def check_permissions(self) -> Awaitable[None] | None:
        """Raise 401 or 403 where a permission refuses."""

    def check_throttles(self) -> Awaitable[None] | None:
        """Raise 429, with `retry_after`, where a throttle refuses."""

    def get_reply(self, result: Any) -> Reply | None:
        """Return the answer to what the handler returned, or `None`."""

    def render_text(self, data: Any) -> str:
        """Return what the dialect built as the text of a frame."""

    def handle_exception(self, error: Exception) -> Reply:
        """Return the answer to an exception."""


PLAIN_DIALECT = PlainDialect()


class DirectInvocation:
    """An event with a known handler, without checks and without an answer."""

    call = Call(None)

    def __init__(
        self, connection: Connection, event: str, target: Target, dialect: Dialect = PLAIN_DIALECT
    ) -> None:
        self.connection = connection
        self.event = event
        self.target = target
        self.dialect = dialect

    def get_call(self) -> Call:
        return self.call

    def get_target(self) -> Target:
        return self.target

    def check_permissions(self) -> None:
        return None

    def check_throttles(self) -> None:
        return None

    def get_reply(self, result: Any) -> None:
        return None

    def render_text(self, data: Any) -> str:
        return encode(data).decode()

    def handle_exception(self, error: Exception) -> Reply:
        return error_reply(self, error)
