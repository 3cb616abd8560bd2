"""One event on its way to its handler."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from rest_framework.exceptions import ParseError

from ..engine.connection import Connection
from ..parsers import JSONParser
from ..protocol.dialects import Dialect, PlainDialect
from ..protocol.messages import Call, Reply
from ..renderers import encode_text
from .errors import error_reply
from .results import check_result

__all__ = [
    "PLAIN_DIALECT",
    "DirectInvocation",
    "FrameInvocation",
    "Invocation",
    "MessageInvocation",
    "Target",
    "release_messages",
    "reply_to_frame",
]

Target = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A handler and its arguments."""


class Invocation(Protocol):
    """The steps of one event: a `SocketView`, or what is made for an event of a consumer.

    Every step may raise an exception of `rest_channels.exceptions` or of DRF. A check that has to
    wait returns an awaitable.
    """

    event: str

    @property
    def call(self) -> Call:
        """The call that the frame makes."""

    @property
    def is_nested(self) -> bool:
        """Whether another event's handler waits for it, and gets what is no `Exception`."""

    @property
    def is_held(self) -> bool:
        """Whether it waits while the session, user or token is read again."""

    @property
    def connection(self) -> Connection:
        """The connection of the event."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of the frame and of its answer."""

    def find_handler(self) -> Target:
        """Read the call from the frame, and return its handler and the arguments.

        Raises 400 for what the dialect cannot read, and 405 where there is no handler.
        """

    def check(self) -> Awaitable[None] | None:
        """Raise 401 or 403 where a permission refuses, 429 where a throttle does."""

    def render_result(self, result: Any) -> str | None:
        """Return the answer to what the handler returned, as text; `None` for no answer."""

    def render_text(self, data: Any) -> str:
        """Return what the dialect built as the text of a frame."""

    def on_answered(self) -> None:
        """Called once the event has been handled and answered."""

    def answer_error(self, error: BaseException) -> Awaitable[None] | None:
        """Return what answers an exception of the handler, or `None`: the dispatcher does."""

    def handle_exception(self, error: Exception) -> Reply:
        """Return the answer to an exception."""


PLAIN_DIALECT = PlainDialect()


class DirectInvocation:
    """An event with a known handler, without checks and without an answer."""

    call = Call(None)
    is_nested = False
    is_held = True

    def __init__(
        self, connection: Connection, event: str, target: Target, dialect: Dialect = PLAIN_DIALECT
    ) -> None:
        self.connection = connection
        self.event = event
        self.target = target
        self.dialect = dialect

    def find_handler(self) -> Target:
        return self.target

    def check(self) -> None:
        return None

    def render_result(self, result: Any) -> None:
        if result is not None:
            check_result(result, self.event)

    def render_text(self, data: Any) -> str:
        return encode_text(data)

    def on_answered(self) -> None:
        return None

    def answer_error(self, error: BaseException) -> Awaitable[None] | None:
        return None

    def handle_exception(self, error: Exception) -> Reply:
        return error_reply(self, error)


class MessageInvocation(DirectInvocation):
    """A message of a group, for the method of `consumer` that its `type` names."""

    def __init__(
        self, connection: Connection, consumer: Any, message: dict[str, Any], dialect: Dialect
    ) -> None:
        # Each consumer gets a copy: others receive the same message.
        super().__init__(connection, "event", (consumer, (dict(message),), {}), dialect)

    def find_handler(self) -> Target:
        """Return the method and its message. Raise `TypeError` if there is no method."""
        consumer, (message,), _kwargs = self.target
        name = str(message.get("type")).replace(".", "_")
        method = None if name.startswith("_") else getattr(consumer, name, None)
        if method is None:
            kind, owner = message.get("type"), type(consumer).__name__
            raise TypeError(f"{owner} has no method {name!r} for a message of the type {kind!r}.")
        self.target = (method, (message,), {})
        return self.target


class FrameInvocation(DirectInvocation):
    """A frame that `handler` takes as ASGI's message. An error is answered under its id."""

    def __init__(
        self,
        connection: Connection,
        handler: Callable[..., Any],
        message: dict[str, Any],
        dialect: Dialect,
    ) -> None:
        super().__init__(connection, "receive", (handler, (message,), {}), dialect)
        self.text: str = message["text"] or ""

    def on_answered(self) -> None:
        release_messages(self.connection)

    def handle_exception(self, error: Exception) -> Reply:
        return reply_to_frame(super().handle_exception(error), self.text, self.dialect)


def release_messages(connection: Connection) -> None:
    """Send the messages that a frame of a consumer has caused for its own client.

    The queue would do it in a later iteration of the loop. A detached task that the frame has woken
    could send before them.
    """
    if connection.held is not None:
        connection.release()


def reply_to_frame(reply: Reply, text: str, dialect: Dialect) -> Reply:
    """Return `reply` under the name and the id of a frame with this `text`, if it has them."""
    try:
        call = dialect.parse_call(JSONParser().parse(text))
    except ParseError:
        call = Call(None)
    return reply._replace(call=call)
