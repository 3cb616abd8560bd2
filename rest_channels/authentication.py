"""Who a client is, by DRF's authenticators: on the handshake, and again by a frame.

Browsers cannot set headers on a WebSocket. So a token may also come as a subprotocol,
`authorization.Bearer.<token>`, or in a frame: `{"action": "authenticate", "token": …}`. Where a
token says when it expires, its client is asked for another in time, and else is closed (4401).
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    PermissionDenied,
)

from .concurrency.execution import run
from .engine.connection import Connection
from .exceptions import CloseCode
from .handshake.http_request import http_request
from .handshake.identity import session_user
from .settings import api_settings

__all__ = ["Authentication", "answer_to"]

SUBPROTOCOL = "authorization."

_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}", re.ASCII)


class Authentication:
    """The authentication of one connection.

    In: `classes`, DRF's or others like them; `expired`, to be called when the token has expired.
    """

    def __init__(
        self, classes: Sequence[Any], connection: Connection, expired: Callable[[], Any]
    ) -> None:
        self.authenticators = [one() for one in classes]
        self.successful = False
        self.expiries = 0
        self._owner: Any = None
        self._connection = connection
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None

    async def handshake(self) -> None:
        """Find out who connects. Raises what the authenticators raise (401, 403)."""
        self._connection.on_ended += (self._end,)
        offered: list[str] = self._connection.scope.get("subprotocols", [])
        self._connection.subprotocol = answer_to(offered)
        said = next((one for one in offered if one.startswith(SUBPROTOCOL)), "")
        scheme, _dot, token = said.removeprefix(SUBPROTOCOL).partition(".")
        scope = self._connection.scope
        await self._perform(_with_header(scope, f"{scheme} {token}") if token else scope)

    async def again(self, token: Any, scheme: Any = None) -> None:
        """Let the client be whom `token` names. Raises 401, or 403 for another than it was.

        What was joined and begun for one user would go on for the next: so a connection is one
        user's for its life, from the first that is known. In: `scheme`, the first word of an
        `Authorization` header; `None`: the authenticator's.
        """
        keywords = (getattr(one, "keyword", None) for one in self.authenticators)
        scheme = next(filter(None, keywords), "Bearer") if scheme is None else scheme
        if not all(isinstance(one, str) and _TOKEN.fullmatch(one) for one in (scheme, token)):
            raise AuthenticationFailed(_("Send your token as text."))
        # What else the handshake brought, a cookie or a query, is no answer to a bad token.
        bare = {
            **self._connection.scope,
            "user": session_user(None),
            "session": None,
            "headers": [],
        }
        bare["query_string"] = b""
        user, auth, successful = await run(self._ask, _with_header(bare, f"{scheme} {token}"))
        if not successful:
            raise AuthenticationFailed(_("Nobody here knows such a token."))
        if self._owner not in (None, _owner(user)):
            raise PermissionDenied(_("This connection is somebody else's: open one of your own."))
        self.successful = True
        self._be(user, auth)

    def refusal(self, error: APIException) -> APIException:
        """What `error` is for who has shown no credentials: 401 where some are asked for."""
        if self.authenticators and not self.successful:
            error = NotAuthenticated()
        if isinstance(error, NotAuthenticated | AuthenticationFailed):
            asks = bool(self.authenticators) and self.authenticators[0].authenticate_header(
                http_request(self._connection.scope)
            )
            error.status_code = status.HTTP_401_UNAUTHORIZED if asks else status.HTTP_403_FORBIDDEN
        return error

    def insist(self, expiries: int) -> None:
        """Raise 401 where a token has expired since there were so many `expiries`."""
        if self.expiries != expiries:
            raise self.refusal(NotAuthenticated())

    async def _perform(self, scope: dict[str, Any]) -> None:
        user, auth, self.successful = await run(self._ask, scope)
        self._be(user, auth)

    def _be(self, user: Any, auth: Any) -> None:
        if self._owner is None:
            self._owner = _owner(user)
        self._connection.scope["user"], self._connection.scope["auth"] = user, auth
        self._connection.watch_account()
        self._await_expiry(auth)

    def _ask(self, scope: dict[str, Any]) -> tuple[Any, Any, bool]:
        """In a thread: the user, what the authenticator says of him, and whether it knew him."""
        from rest_framework.request import Request  # noqa: PLC0415 - it needs ready apps

        handshake = http_request(scope)
        vars(handshake)["_dont_enforce_csrf_checks"] = True  # the Origin was checked instead
        request = Request(handshake, authenticators=self.authenticators)
        return request.user, request.auth, request.successful_authenticator is not None

    # Tokens expire.

    def _await_expiry(self, auth: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (moment := expiry_of(auth)) is not None:
            seconds = moment - timezone.now().timestamp()
            self._timer = self._connection.loop_bridge.loop.call_later(
                max(seconds, 0), self._expire
            )

    def _expire(self) -> None:
        """Ask for another token; who brings none in time is closed."""
        self.successful = False
        self.expiries += 1
        self._be(session_user(None), None)
        grace = api_settings.REAUTHENTICATE_WITHIN
        self._timer = self._connection.loop_bridge.loop.call_later(grace or 0, self._close)
        if grace:
            self._expired()

    def _close(self) -> None:
        self._connection.close(CloseCode.UNAUTHENTICATED, _("Your token has expired."))

    async def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _owner(user: Any) -> Any:
    """Whose a connection is with this user: not two users', because a pk is the same."""
    if not getattr(user, "is_authenticated", user is not None):
        return None
    kind = getattr(getattr(user, "_meta", None), "concrete_model", user.__class__)
    pk = getattr(user, "pk", None)
    return user if pk is None else (kind, pk)


def answer_to(offered: Sequence[str]) -> str | None:
    """The subprotocol to accept where one holds a token: a browser that offers some insists."""
    tokens = [one for one in offered if one.startswith(SUBPROTOCOL)]
    return next((one for one in offered if one not in tokens), tokens[0]) if tokens else None


def _with_header(scope: dict[str, Any], authorization: str) -> dict[str, Any]:
    others = [pair for pair in scope.get("headers", ()) if pair[0] != b"authorization"]
    return {**scope, "headers": [*others, (b"authorization", authorization.encode())]}


def expiry_of(auth: Any) -> float | None:
    """When a token expires, in seconds since 1970, if it says so.

    As `exp` of a JSON Web Token's claims (RFC 7519), or as a `datetime`: `expires` (OAuth Toolkit),
    `expiry` (Knox), `expires_at`.
    """
    get = getattr(auth, "get", None)
    claim = get("exp") if callable(get) else None
    if isinstance(claim, int | float) and claim == claim:
        return float(claim)
    for name in ("expires", "expiry", "expires_at"):
        if isinstance(moment := getattr(auth, name, None), datetime):
            return moment.timestamp()
    return None
