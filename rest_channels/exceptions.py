"""What can go wrong, as data.

A refusal is an exception. The dispatcher catches it once and answers with one error frame; the
connection lives on. Only what a client does to the protocol (`ProtocolViolation`) ends it.

    Exception
    ├── APIException                   Django REST framework's tree: a refusal with a status
    │   ├── ParseError                 400  the frame is not what the dialect expects
    │   ├── ValidationError            400  the content is wrong; names the fields
    │   ├── NotAuthenticated           401
    │   ├── PermissionDenied           403
    │   ├── NotFound                   404
    │   ├── MethodNotAllowed           405
    │   │   └── HandlerNotFound        405  no handler of that name           (ours)
    │   │       └── EventNotAllowed    405  the view has no such event        (ours)
    │   ├── Throttled                  429  with `retry_after`
    │   └── HandlerTimeout             504  the handler outlived its deadline (ours)
    ├── OutboxFull                     a handler sends faster than its client reads
    ├── TooManySubscriptions           (a ValidationError) the connection's ledger is full
    └── ProtocolViolation              ends the connection with a `CloseCode`
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
    """Why the server ended a connection; the number alone says whether to come back.

    1000–1015 are RFC 6455's own. Ours mirror HTTP: 4000 plus the status the reason would have.
    The library closes with 1000 and its own only, because daphne can send no others.

    ===========  ==========================================  ==================
    range        meaning                                     client
    ===========  ==========================================  ==================
    4400–4499    the client has to change something first    does not reconnect
    4500–4599    the server's state, and it will pass        reconnects
    ===========  ==========================================  ==================
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006  # no code of the wire: the end of a connection that nobody closed
    POLICY_VIOLATION = 1008
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    MESSAGE_TOO_BIG = 4413
    FLOOD = 4429
    SESSION_ENDED = 4440  # logout; the session was deleted, or has expired
    PASSWORD_CHANGED = 4441
    USER_INACTIVE = 4442  # the user was deactivated, or deleted
    REVOKED = 4443  # by hand
    CONNECT_FAILED = 4500
    TOO_SLOW = 4503
    THROTTLED = 4529

    @property
    def reconnect(self) -> bool:
        """Whether a client that was closed with this code should connect again."""
        return self in _PASSING or 4500 <= self <= 4599

    @classmethod
    def for_status(cls, code: int) -> int:
        """The close code for a connection refused with HTTP status `code` (400–599)."""
        if code == status.HTTP_429_TOO_MANY_REQUESTS:
            return cls.THROTTLED  # 4429 would say: do not come back
        return 4000 + code if 400 <= code <= 599 else cls.CONNECT_FAILED


def check_close_code(code: int) -> int:
    """`code`, if an application may close with it (RFC 6455, 7.4). Raises `ValueError`."""
    if code in range(3000, 5000) or (code in range(1000, 1015) and code not in (1004, 1005, 1006)):
        return code
    raise ValueError(f"{code!r} is no close code: use 1000, or one from 3000 to 4999.")


_PASSING = frozenset(
    {
        CloseCode.GOING_AWAY,
        CloseCode.ABNORMAL,
        CloseCode.INTERNAL_ERROR,
        CloseCode.SERVICE_RESTART,
        CloseCode.TRY_AGAIN_LATER,
    }
)


class HandlerNotFound(MethodNotAllowed):
    """405: the frame names a handler that does not exist."""

    def __init__(self, name: object, detail: str | None = None) -> None:
        super().__init__(str(name)[:64], detail)


class ActionMissingException(HandlerNotFound):
    """405: the frame names no action at all."""

    def __init__(self) -> None:
        super().__init__("", _("Unable to find action in message body."))  # type: ignore[arg-type]


class EventNotAllowed(HandlerNotFound):
    """405: the view has no method for this event (`connect`, `receive`, `disconnect`)."""


class HandlerTimeout(APIException):
    """504: the handler ran longer than `HANDLER_TIMEOUT` and was cancelled."""

    status_code = status.HTTP_504_GATEWAY_TIMEOUT
    default_detail = _("The request took too long and was cancelled.")
    default_code = "timeout"


class TooManySubscriptions(ValidationError):
    """400: the connection may not join more groups (`MAX_SUBSCRIPTIONS`)."""

    def __init__(self, limit: int) -> None:
        message = _("A connection may hold at most %(limit)d subscriptions.")
        super().__init__([message % {"limit": limit}])


class OutboxFull(RuntimeError):
    """A handler sent more than the outbox holds without awaiting what it sent."""


class ProtocolViolation(Exception):
    """The client broke the protocol (size, flood, handshake): the connection is closed.

    In: `code`, the close code; `reason`, at most 123 bytes, shown to the client.
    """

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(f"{reason} (close code {code:d})")
        self.code = code
        self.reason = reason
