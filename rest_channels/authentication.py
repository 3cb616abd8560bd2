"""Authenticate a client with the authentication classes of DRF: at the handshake, and by a frame.

A browser cannot set headers on a WebSocket. So a token may also come as a subprotocol,
`authorization.Bearer.<token>`, or in a frame, `{"action": "authenticate", "token": …}`. When the
token expires, the client has to send a new one in time. Otherwise it is closed with 4401.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions as drf
from rest_framework import status

from .concurrency.execution import run
from .engine.connection import Connection
from .exceptions import CloseCode
from .handshake.http_request import http_request
from .handshake.identity import session_user
from .handshake.origins import origin_safe
from .settings import api_settings

__all__ = ["Authentication", "choose_subprotocol"]

SUBPROTOCOL_PREFIX = "authorization."  # of a subprotocol that holds a scheme and a token
_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}", re.ASCII)


class Authentication:
    """The authentication of one connection, which sets `user` and `auth` in its scope.

    When the token has expired, it calls `on_expired`, which asks the client for a new one.
    """

    def __init__(
        self, classes: Sequence[Any], connection: Connection, on_expired: Callable[[], Any]
    ) -> None:
        self.authenticators = [authenticator() for authenticator in classes]
        self.successful = False
        self.expiry_count = 0
        self._owner: Any = None
        self._connection = connection
        self._on_expired = on_expired
        self._timer: asyncio.TimerHandle | None = None

    async def handshake(self) -> None:
        """Set the user of the connection. Raise what the authenticators raise (401, 403)."""
        self._connection.on_ended += (self._cancel_timer,)
        scope = self._connection.scope
        offered: list[str] = scope.get("subprotocols", [])
        self._connection.subprotocol = choose_subprotocol(offered)
        with_token = next((name for name in offered if name.startswith(SUBPROTOCOL_PREFIX)), "")
        scheme, _dot, token = with_token.removeprefix(SUBPROTOCOL_PREFIX).partition(".")
        if token:
            scope = _with_header(scope, f"{scheme} {token}")
        user, auth, self.successful = await run(self._authenticate, scope)
        self._set_user(user, auth)

    async def reauthenticate(self, token: Any, scheme: Any = None) -> None:
        """Authenticate with the token and the scheme (such as "Bearer") of a frame, or raise 401.

        Raise 403 for the token of another user: the connection belongs to the first user that
        authenticates. Its groups and running actions must not go on for another one.
        """
        keywords = (getattr(item, "keyword", None) for item in self.authenticators)
        scheme = next(filter(None, keywords), "Bearer") if scheme is None else scheme
        if not all(isinstance(item, str) and _TOKEN.fullmatch(item) for item in (scheme, token)):
            raise drf.AuthenticationFailed(_("Send your token as text."))
        # Only the token counts: the cookie and the query string of the handshake are left out.
        scope = {**self._connection.scope, "user": session_user(None), "session": None}
        scope |= {"headers": [], "query_string": b""}
        scope = _with_header(scope, f"{scheme} {token}")
        user, auth, successful = await run(self._authenticate, scope)
        if not successful:
            raise drf.AuthenticationFailed(_("Invalid token."))
        if self._owner not in (None, _owner_of(user)):
            message = _("This connection belongs to another user. Open a new one.")
            raise drf.PermissionDenied(message)
        self.successful = True
        self._set_user(user, auth)

    def adapt_error(self, error: drf.APIException) -> drf.APIException:
        """Return the error that the client receives for a permission error, as DRF does.

        Without valid credentials it is `NotAuthenticated`: 401 if the first authenticator has a
        `WWW-Authenticate` header, else 403.
        """
        if self.authenticators and not self.successful:
            error = drf.NotAuthenticated()
        if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
            error.status_code = status.HTTP_403_FORBIDDEN
            request = http_request(self._connection.scope)
            if self.authenticators and self.authenticators[0].authenticate_header(request):
                error.status_code = status.HTTP_401_UNAUTHORIZED
        return error

    def check_not_expired_since(self, expiry_count: int) -> None:
        """Raise 401 if a token has expired since `expiry_count` was read."""
        if self.expiry_count != expiry_count:
            raise self.adapt_error(drf.NotAuthenticated())

    def _set_user(self, user: Any, auth: Any) -> None:
        if self._owner is None:
            self._owner = _owner_of(user)
        self._connection.scope["user"], self._connection.scope["auth"] = user, auth
        self._connection.watch_account()
        self._start_timer(auth)

    def _authenticate(self, scope: dict[str, Any]) -> tuple[Any, Any, bool]:
        """Return the user, the `auth` and whether an authenticator succeeded. Runs in a thread."""
        from rest_framework.request import Request  # noqa: PLC0415 - it needs ready apps

        # A session's frames may write, so one of a foreign page has to fail the CSRF check.
        origin_is_safe = origin_safe(scope)
        handshake = http_request(scope, "GET" if origin_is_safe else "POST")
        vars(handshake)["_dont_enforce_csrf_checks"] = origin_is_safe
        request = Request(handshake, authenticators=self.authenticators)
        return request.user, request.auth, request.successful_authenticator is not None

    def _start_timer(self, auth: Any) -> None:
        """Wait until the token expires, if it says when."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (expiry := expiry_of(auth)) is not None:
            seconds = max(expiry - timezone.now().timestamp(), 0)
            self._timer = self._connection.loop_bridge.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        """Log the client out and ask for a new token. Close the connection if none comes."""
        self.successful = False
        self.expiry_count += 1
        self._set_user(session_user(None), None)
        grace_period = api_settings.REAUTHENTICATE_WITHIN
        loop = self._connection.loop_bridge.loop
        self._timer = loop.call_later(grace_period or 0, self._close)
        if grace_period:
            self._on_expired()

    def _close(self) -> None:
        self._connection.close(CloseCode.UNAUTHENTICATED, _("Your token has expired."))

    async def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _owner_of(user: Any) -> Any:
    """Return a key that identifies the user, also among users of different models."""
    if not getattr(user, "is_authenticated", user is not None):
        return None
    model = getattr(getattr(user, "_meta", None), "concrete_model", user.__class__)
    pk = getattr(user, "pk", None)
    return user if pk is None else (model, pk)


def choose_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the subprotocol to accept, or `None` if no token was offered.

    A browser that offers subprotocols fails unless one of them is accepted. One without a token is
    preferred.
    """
    with_token = [name for name in offered if name.startswith(SUBPROTOCOL_PREFIX)]
    if not with_token:
        return None
    return next((name for name in offered if name not in with_token), with_token[0])


def _with_header(scope: dict[str, Any], authorization: str) -> dict[str, Any]:
    headers = [pair for pair in scope.get("headers", ()) if pair[0] != b"authorization"]
    return {**scope, "headers": [*headers, (b"authorization", authorization.encode())]}


def expiry_of(auth: Any) -> float | None:
    """Return when a token expires, in seconds since 1970, or `None` if it does not say.

    The time is the claim `exp` of a JSON Web Token (RFC 7519), or a `datetime`: `expires` (OAuth
    Toolkit), `expiry` (Knox) or `expires_at`.
    """
    get = getattr(auth, "get", None)
    claim = get("exp") if callable(get) else None
    if isinstance(claim, int | float) and claim == claim:  # not NaN
        return float(claim)
    for name in ("expires", "expiry", "expires_at"):
        if isinstance(expiry := getattr(auth, name, None), datetime):
            return expiry.timestamp()
    return None
