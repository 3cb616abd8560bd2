"""The exceptions and the close codes of REST Channels.

A handler rejects a frame by raising an exception. The client receives an error frame with
the detail and the status, and the connection stays open. Exceptions marked with * come from Django
REST framework (`rest_framework.exceptions`), the others from this module.

    Exception
    ├── APIException *                       base class of all error frames
    │   ├── ParseError *                400  the frame cannot be parsed
    │   ├── ValidationError *           400  the content is invalid; the detail names the fields
    │   │   └── TooManySubscriptions    400  the connection has reached `MAX_SUBSCRIPTIONS`
    │   ├── AuthenticationFailed *      401  the credentials are wrong
    │   ├── NotAuthenticated *          401  the credentials are missing
    │   ├── PermissionDenied *          403  a permission class returned false
    │   ├── NotFound *                  404  there is no such object
    │   ├── MethodNotAllowed *          405
    │   │   └── HandlerNotFound         405  the frame names an unknown handler
    │   │       ├── ActionMissingException   the frame names no action
    │   │       └── EventNotAllowed          the view has no method for the event
    │   ├── Throttled *                 429  too many calls; the frame has `retry_after` in seconds
    │   └── HandlerTimeout              504  the handler ran longer than `HANDLER_TIMEOUT`
    ├── RuntimeError
    │   └── OutboxFull                  500  the handler sends faster than its client reads
    └── ProtocolViolation                    closes the connection with a `CloseCode`

Django's `Http404` and `PermissionDenied` give 404 and 403 too. Any other exception is logged with
its traceback, and the client receives a 500.
"""

from enum import IntEnum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, MethodNotAllowed, ValidationError

__all__ = [
    "REJECTIONS",
    "ActionMissingException",
    "CloseCode",
    "EventNotAllowed",
    "HandlerNotFound",
    "HandlerTimeout",
    "OutboxFull",
    "ProtocolViolation",
    "TooManySubscriptions",
    "UnsendableFrame",
    "check_close_code",
]

REJECTIONS = (APIException, Http404, PermissionDenied)
"""Errors that are an answer to the client. Any other error is one of the server."""


class CloseCode(IntEnum):
    """The reason why a connection was closed, as a WebSocket close code.

    The range tells the client whether to connect again:

    * 4400–4499: no. The client has to change something first, for example log in.
    * 4500–4599: yes. The reason is on the server and will pass.

    4000 + n corresponds to the HTTP status n, if there is one. The library itself closes with 1000
    and with codes above 4000 only, because daphne cannot send the others.

    Source: RFC 6455, 7.4.1, for 1000–1015.
    """

    NORMAL = 1000  # closed on purpose; the default of `close()`
    GOING_AWAY = 1001  # the server shuts down, or the browser leaves the page
    ABNORMAL = 1006  # the connection was lost; never sent, only seen in `disconnect`
    POLICY_VIOLATION = 1008  # the client broke a rule of the server
    INTERNAL_ERROR = 1011  # the server failed
    SERVICE_RESTART = 1012  # the server restarts
    TRY_AGAIN_LATER = 1013  # the server is overloaded
    UNAUTHENTICATED = 4401  # credentials are missing or wrong, or the token has expired
    FORBIDDEN = 4403  # a permission class refused the connection
    NOT_FOUND = 4404  # there is nothing at this path
    MESSAGE_TOO_BIG = 4413  # a frame is larger than `MAX_FRAME_SIZE`
    FLOOD = 4429  # the client sends faster than its frames can be handled
    SESSION_ENDED = 4440  # the user logged out, or the session was deleted or has expired
    PASSWORD_CHANGED = 4441  # the password of the user has changed
    USER_INACTIVE = 4442  # the user was deactivated or deleted
    REVOKED = 4443  # the application called `revoke()`
    CONNECT_FAILED = 4500  # the server failed while the connection was opened
    TOO_SLOW = 4503  # the client does not keep up with the messages that it is sent
    THROTTLED = 4529  # a throttle class refused the connection for now

    @property
    def reconnect(self) -> bool:
        """Whether a client that was closed with this code should connect again."""
        return self in (1001, 1006, 1011, 1012, 1013) or 4500 <= self <= 4599

    @classmethod
    def for_status(cls, code: int) -> int:
        """Return the close code for a connection refused with the HTTP status `code`."""
        if code == status.HTTP_429_TOO_MANY_REQUESTS:
            return cls.THROTTLED  # 4429 would tell the client not to connect again
        return 4000 + code if 400 <= code <= 599 else cls.CONNECT_FAILED


def check_close_code(code: int) -> int:
    """Return `code`, or raise `ValueError` if no application may close with it (RFC 6455, 7.4)."""
    if code in range(3000, 5000) or (code in range(1000, 1015) and code not in (1004, 1005, 1006)):
        return code
    raise ValueError(f"{code!r} is no close code: use 1000, or one from 3000 to 4999.")


class HandlerNotFound(MethodNotAllowed):
    """405: the frame names an unknown handler. Clients see at most 64 characters of the name."""

    def __init__(self, name: object, detail: Any = None, code: str | None = None) -> None:
        super().__init__(str(name)[:64], detail, code)


class ActionMissingException(HandlerNotFound):
    """405: the frame names no action."""

    default_detail = _("Unable to find action in message body.")

    def __init__(self, detail: Any = None, code: str | None = None) -> None:
        super().__init__("", detail, code)


class EventNotAllowed(HandlerNotFound):
    """405: the view has no method for the event `connect`, `receive` or `disconnect`."""


class HandlerTimeout(APIException):
    """504: the handler ran longer than the setting `HANDLER_TIMEOUT` and was cancelled."""

    status_code = status.HTTP_504_GATEWAY_TIMEOUT
    default_detail = _("The request took too long and was cancelled.")
    default_code = "timeout"


class TooManySubscriptions(ValidationError):
    """400: the connection has as many subscriptions as `MAX_SUBSCRIPTIONS`, or memory, allows."""

    def __init__(self, limit: int, *, in_bytes: bool = False) -> None:
        message = _("A connection may hold at most %(limit)d subscriptions.")
        if in_bytes:
            message = _("A connection's subscriptions may hold at most %(limit)d bytes.")
        super().__init__([message % {"limit": limit}])


class OutboxFull(RuntimeError):
    """The handler sent more than `OUTBOX_BYTES` without awaiting its calls of `send`."""


class UnsendableFrame(TypeError):
    """The server refused to send this reply. The client receives an error instead."""


class ProtocolViolation(Exception):
    """The client broke the protocol, for example with a frame that is too large.

    The connection is closed with `code` and `reason`, a text of at most 123 bytes.
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(f"{reason} (close code {code:d})")
        self.code = code
        self.reason = reason
