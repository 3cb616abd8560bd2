"""Authenticate a client with the authentication classes of DRF: at the handshake, and by a frame.

A browser cannot set headers on a WebSocket. So a token may also come as a subprotocol,
`authorization.Bearer.<token>`, besides another one, which is accepted. Or it comes in a frame,
`{"action": "authenticate", "token": …}`. When the token expires, the client has to send a new one
in time. Otherwise it is closed with 4401.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from weakref import ref

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions as drf
from rest_framework import status
from rest_framework.authentication import SessionAuthentication

from .client_logs import log_for_client
from .concurrency.execution import run
from .concurrency.timers import call_later
from .engine.connection import Connection
from .engine.row_signals import ignores_saves
from .exceptions import CloseCode
from .handshake.http_request import http_request
from .handshake.identity import owner_of, unauthenticated_user
from .handshake.lazy_objects import evaluate
from .handshake.origins import origin_safe
from .handshake.subprotocols import authorization_of, choose_subprotocol, with_header
from .settings import api_settings

__all__ = ["Authentication"]

logger = logging.getLogger("rest_channels")

TOKEN_ONLY = {"headers": [], "query_string": b""}
"""What the scope has for the token of a frame: no cookie or query string of the handshake."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}", re.ASCII)


class Authentication:
    """The authentication of one connection, which sets `user` and `auth` in its scope.

    When the token has expired, it calls `on_expired`, which asks the client for a new one. Without
    authenticators it needs no connection, and never changes.
    """

    def __init__(
        self,
        authenticators: Sequence[Any] = (),
        connection: Connection | None = None,
        on_expired: Callable[[], Any] | None = None,
    ) -> None:
        self.authenticators = list(authenticators)
        self.successful_authenticator: Any = None
        self.authorization: str | None = None
        self.expiry_count = 0
        self.token: Any = None  # what the authenticator has returned with the user
        self._left_out: dict[str, Any] = {}
        self._owner: Any = None
        # A weak reference, because the scope of the connection has this object.
        self._find_connection = None if connection is None else ref(connection)
        self._on_expired = on_expired
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._leaves_user = False
        """Whether the token has expired, and its user stays until the running call ends."""

    @property
    def _connection(self) -> Connection:
        """The connection. Its consumer, for which all methods are called, keeps it."""
        connection: Any = None if self._find_connection is None else self._find_connection()
        return connection  # type: ignore[no-any-return]

    async def handshake(self) -> None:
        """Set the user of the connection. Raise what the authenticators raise (401, 403)."""
        self._connection.on_ended += (self._end,)
        scope: dict[str, Any] = self._connection.scope
        scope["authentication"] = self
        offered: list[str] = scope.get("subprotocols", [])
        self._connection.subprotocol = choose_subprotocol(offered)
        self.authorization = authorization_of(offered)
        if self.authorization and self._connection.subprotocol is None:
            text = "%r offers only a token as a subprotocol: browsers need a second one."
            log_for_client(logger, logging.INFO, text, self._connection)
        found = await run(self._authenticate, self.with_authorization(scope))
        user, auth, self.successful_authenticator = found
        self._set_user(user, auth)

    @property
    def successful(self) -> bool:
        """Whether an authenticator has accepted the client."""
        return self.successful_authenticator is not None

    @property
    def accepts_sessions(self) -> bool:
        """Whether a user who logs in to the session is authenticated by that."""
        return any(isinstance(each, SessionAuthentication) for each in self.authenticators)

    def with_authorization(self, scope: dict[str, Any]) -> dict[str, Any]:
        """Return `scope` with the token of a subprotocol or a frame as the header it stands for."""
        return scope if self.authorization is None else with_header(scope, self.authorization)

    async def reauthenticate(self, token: Any, scheme: Any = None) -> None:
        """Authenticate with the token and the scheme (such as "Bearer") of a frame, or raise 401.

        Without a scheme each authenticator is asked with its own.

        Raise 403 for the token of another user: the connection belongs to the first user that
        authenticates. Its groups and running actions must not go on for another one.
        """
        given = (token,) if scheme is None else (token, scheme)
        if not all(isinstance(item, str) and _TOKEN.fullmatch(item) for item in given):
            raise drf.AuthenticationFailed(_("Send your token as text."))
        found = await run(self._authenticate_token, self._scope(TOKEN_ONLY), token, scheme)
        user, auth, authenticator, authorization = found
        if self._owner not in (None, owner_of(user)):
            message = _("This connection belongs to another user. Open a new one.")
            raise drf.PermissionDenied(message)
        self.successful_authenticator, self.authorization = authenticator, authorization
        self._left_out = TOKEN_ONLY
        self._set_user(user, auth)
        self._connection.resume()

    def repeat(self) -> bool:
        """Authenticate again with the same token, whose row has changed. Call this in a thread.

        Return whether the token is still accepted, and that of the same user. An error that says
        nothing about it, such as 503, is raised. What authenticators save is no reason to repeat.
        """
        token, reset = self.token, ignores_saves.set(True)
        try:
            found = self._authenticate(self.with_authorization(self._scope(self._left_out)))
        except (drf.APIException, PermissionDenied) as error:
            code = getattr(error, "status_code", status.HTTP_403_FORBIDDEN)
            if status.is_server_error(code) or code == status.HTTP_429_TOO_MANY_REQUESTS:
                raise
            return False
        finally:
            ignores_saves.reset(reset)
        user, auth, authenticator = found
        if authenticator is None or owner_of(user) != self._owner:
            return False

        def renew() -> None:
            if self.token is token:  # else the client has sent another one
                self.successful_authenticator = authenticator
                self._set_user(user, auth)

        self._connection.loop_bridge.call(renew)
        return True

    def adapt_error(self, error: drf.APIException) -> drf.APIException:
        """Return the error that the client receives for a permission error, as DRF does.

        Without credentials it is `NotAuthenticated`. If an authenticator has refused them, it is
        that error, which says why. Both are 401 if the first authenticator has a
        `WWW-Authenticate` header, else 403.
        """
        is_refused = isinstance(error, drf.AuthenticationFailed)
        if self.authenticators and not self.successful and not is_refused:
            refusal, error = error, drf.NotAuthenticated()
            error.__cause__ = refusal
        if is_refused or isinstance(error, drf.NotAuthenticated):
            error.status_code = status.HTTP_403_FORBIDDEN
            if self.authenticators:
                request = http_request(self._connection.scope)
                if self.authenticators[0].authenticate_header(request):
                    error.status_code = status.HTTP_401_UNAUTHORIZED
        return error

    def check_not_expired_since(self, expiry_count: int) -> None:
        """Raise 401 if a token has expired since `expiry_count` was read."""
        if self.expiry_count != expiry_count:
            raise self.adapt_error(drf.NotAuthenticated())

    def _set_user(self, user: Any, auth: Any) -> None:
        if self._owner is None:
            self._owner = owner_of(user)
        self._leaves_user = False
        self.token = auth
        self._connection.scope.update(user=user, auth=auth)
        self._start_timer(auth)

    def _scope(self, left_out: dict[str, Any]) -> dict[str, Any]:
        """Return the scope in which only a token authenticates, and no session."""
        user = unauthenticated_user()
        return {**self._connection.scope, "user": user, "session": None, **left_out}

    def _authenticate_token(
        self, scope: dict[str, Any], token: str, scheme: str | None
    ) -> tuple[Any, Any, Any, str]:
        """Return what `_authenticate` does, and the header that was accepted, or raise 401."""
        errors = [drf.AuthenticationFailed(_("Invalid token."))]
        for each in self._schemes(scope) if scheme is None else [scheme]:
            authorization = f"{each} {token}"
            try:
                found = self._authenticate(with_header(scope, authorization))
            except drf.AuthenticationFailed as error:
                errors.append(error)
                continue
            if found[2] is not None:
                return (*found, authorization)
        raise errors[:2][-1]  # the first that an authenticator raised, if any

    def _schemes(self, scope: dict[str, Any]) -> list[str]:
        """Return the scheme of each authenticator, as its header `WWW-Authenticate` names it."""
        request = http_request(scope)
        schemes: list[str] = []
        for authenticator in self.authenticators:
            header = authenticator.authenticate_header(request)
            words = (header or getattr(authenticator, "keyword", None) or "").split()
            schemes += words[:1]
        return list(dict.fromkeys(schemes)) or ["Bearer"]

    def _authenticate(self, scope: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return the user, the `auth` and the authenticator that succeeded. Runs in a thread."""
        from rest_framework.request import Request  # noqa: PLC0415 - it needs ready apps

        # A session's frames may write, so one of a foreign page has to fail the CSRF check.
        origin_is_safe = origin_safe(scope)
        handshake = http_request(scope, "GET" if origin_is_safe else "POST")
        vars(handshake)["_dont_enforce_csrf_checks"] = origin_is_safe
        request = Request(handshake, authenticators=self.authenticators)
        user, auth = evaluate(request.user), evaluate(request.auth)
        return user, auth, request.successful_authenticator

    def _start_timer(self, auth: Any) -> None:
        """Wait until the token expires, if it says when."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._ended and (expiry := expiry_of(auth)) is not None:
            seconds = max(expiry - timezone.now().timestamp(), 0)
            self._set_timer(seconds, self._expire)

    def _set_timer(self, seconds: float, callback: Callable[[], Any]) -> None:
        loop = self._connection.loop_bridge.loop
        self._timer = call_later(loop, seconds, partial(self._call_for_client, callback))

    def _call_for_client(self, callback: Callable[[], Any]) -> None:
        """Call `callback` as handlers are called: in the language and partition of the client."""
        self._connection.call_queue.context.copy().run(callback)

    def _expire(self) -> None:
        """Log the client out and ask for a new token. Close the connection if none comes.

        A call that runs keeps the user that it was permitted for, as a request over HTTP does.
        """
        self.successful_authenticator = self.authorization = None
        self.expiry_count += 1
        self._connection.suspend()
        self._leaves_user = True
        if self._connection.call_queue.busy:
            self._connection.call_queue.call_after_item(self.remove_expired_user)
        else:
            self.remove_expired_user()
        grace_period = api_settings.REAUTHENTICATE_WITHIN
        self._set_timer(grace_period or 0, self._close)
        if grace_period and self._on_expired is not None:
            self._on_expired()

    def remove_expired_user(self) -> None:
        """Take the user whose token has expired from the connection, if it still has it."""
        if self._leaves_user:
            self._leaves_user, self.token = False, None
            self._connection.scope.update(user=unauthenticated_user(), auth=None)

    def _close(self) -> None:
        self._connection.close(CloseCode.UNAUTHENTICATED, _("Your token has expired."))

    async def _end(self) -> None:
        self._ended = True
        self._on_expired = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


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
