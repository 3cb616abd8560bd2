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
    """One event on its way to its handler: what a `SocketView` is, and what consumers make.

    Every step may refuse by raising an exception of `rest_channels.exceptions` or of DRF. A check
    that has to wait returns what to wait for.
    """

    connection: Connection
    event: str
    call: Call

    @property
    def dialect(self) -> Dialect:
        """The dialect."""

    def get_call(self) -> Call:
        """Frame → call. 400 for what the dialect cannot read."""

    def get_target(self) -> Target:
        """Call → handler. 405 where there is none."""

    def check_permissions(self) -> Awaitable[None] | None:
        """401, 403."""

    def check_throttles(self) -> Awaitable[None] | None:
        """429, with `retry_after`."""

    def get_reply(self, result: Any) -> Reply | None:
        """What a handler returned → the answer, or none."""

    def render_text(self, data: Any) -> str:
        """What the envelope made → the text of a frame."""

    def handle_exception(self, error: Exception) -> Reply:
        """An exception → the answer that tells of it."""


PLAIN = PlainDialect()


class DirectInvocation:
    """An event whose handler is known, that nothing guards, and that is not answered."""

    call = Call(None)

    def __init__(
        self, connection: Connection, event: str, target: Target, dialect: Dialect = PLAIN
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
