"""The exceptions and the close codes of REST Channels.

A handler rejects what a client asks for by raising an exception. The client receives an error
frame with the detail and the status, and the connection stays open. Exceptions marked with * come
from Django REST framework (`rest_framework.exceptions`), the others from this module.

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

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, MethodNotAllowed, ValidationError

__all__ = [
    "ActionMissingException",
    "CloseCode",
    "EventNotAllowed",
    "HandlerNotFound",
    "HandlerTimeout",
    "OutboxFull",
    "ProtocolViolation",
    "TooManySubscriptions",
    "check_close_code",
]


class CloseCode(IntEnum):
    """The reason why a connection was closed, as a WebSocket close code.

    The range tells the client whether to connect again:

    * 4400–4499: no. The client has to change something first, for example log in.
    * 4500–4599: yes. The reason is on the server and will pass.

    4000 + n corresponds to the HTTP status n, where n is one. The library itself closes with 1000
    and with codes above 4000 only, because daphne cannot send the others.

    ====  ================  =================================================================
    1000  NORMAL            closed on purpose; the default of `close()`
    1001  GOING_AWAY        the server shuts down, or the browser leaves the page
    1006  ABNORMAL          the connection was lost; never sent, only seen in `disconnect`
    1008  POLICY_VIOLATION  the client broke a rule of the server
    1011  INTERNAL_ERROR    the server failed
    1012  SERVICE_RESTART   the server restarts
    1013  TRY_AGAIN_LATER   the server is overloaded
    4401  UNAUTHENTICATED   credentials are missing or wrong, or the token has expired
    4403  FORBIDDEN         a permission class refused the connection
    4404  NOT_FOUND         there is nothing at this path
    4413  MESSAGE_TOO_BIG   a frame is larger than `MAX_FRAME_SIZE`
    4429  FLOOD             the client sends faster than its frames can be handled
    4440  SESSION_ENDED     the user logged out, or the session was deleted or has expired
    4441  PASSWORD_CHANGED  the password of the user has changed
    4442  USER_INACTIVE     the user was deactivated or deleted
    4443  REVOKED           the application called `revoke()`
    4500  CONNECT_FAILED    the server failed while the connection was opened
    4503  TOO_SLOW          the client does not keep up with the messages that it is sent
    4529  THROTTLED         a throttle class refused the connection for now
    ====  ================  =================================================================

    Source: RFC 6455, 7.4.1, for 1000–1015.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    MESSAGE_TOO_BIG = 4413
    FLOOD = 4429
    SESSION_ENDED = 4440
    PASSWORD_CHANGED = 4441
    USER_INACTIVE = 4442
    REVOKED = 4443
    CONNECT_FAILED = 4500
    TOO_SLOW = 4503
    THROTTLED = 4529

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
    """Return `code` if an application may close a connection with it.

    Raises:
        ValueError: The code is reserved or unknown.

    Source: RFC 6455, 7.4.
    """
    if code in range(3000, 5000) or (code in range(1000, 1015) and code not in (1004, 1005, 1006)):
        return code
    raise ValueError(f"{code!r} is no close code: use 1000, or one from 3000 to 4999.")


class HandlerNotFound(MethodNotAllowed):
    """405: the frame names an unknown handler. Clients see at most 64 characters of the name."""

    def __init__(self, name: object, detail: str | None = None) -> None:
        super().__init__(str(name)[:64], detail)


class ActionMissingException(HandlerNotFound):
    """405: the frame names no action."""

    def __init__(self) -> None:
        super().__init__("", _("Unable to find action in message body."))  # type: ignore[arg-type]


class EventNotAllowed(HandlerNotFound):
    """405: the view has no method for the event `connect`, `receive` or `disconnect`."""


class HandlerTimeout(APIException):
    """504: the handler ran longer than the setting `HANDLER_TIMEOUT` and was cancelled."""

    status_code = status.HTTP_504_GATEWAY_TIMEOUT
    default_detail = _("The request took too long and was cancelled.")
    default_code = "timeout"


class TooManySubscriptions(ValidationError):
    """400: the connection is in as many groups as the setting `MAX_SUBSCRIPTIONS` allows."""

    def __init__(self, limit: int) -> None:
        message = _("A connection may hold at most %(limit)d subscriptions.")
        super().__init__([message % {"limit": limit}])


class OutboxFull(RuntimeError):
    """The handler sent more than `OUTBOX_BYTES` without awaiting its calls of `send`."""


class ProtocolViolation(Exception):
    """The client broke the protocol, for example with a frame that is too large.

    Args:
        code: The connection is closed with this code.
        reason: Text that the client receives with it, at most 123 bytes.
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(f"{reason} (close code {code:d})")
        self.code = code
        self.reason = reason
