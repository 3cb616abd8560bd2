"""What permissions say of a consumer's connecting, of its actions, and of objects.

DRF's classes, the library's, and mixtures of both are asked; the verdict is the one that a view of
DRF's would give. What cannot be told is a refusal.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from rest_framework import permissions as drf
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from ..authentication import Authentication
from ..concurrency.execution import await_in_thread, is_async, run
from ..dispatch.access import OPERATORS, needs_no_database, raise_permission_denied
from ..engine.connection import Connection
from ..permissions import AllowAny, BasePermission
from ..protocol.arguments import accepted_arguments, parameters
from ..request import SocketRequest
from .http_methods import DRF_NAMES

__all__ = [
    "ActionContext",
    "authorize_action",
    "authorize_connection",
    "authorize_object",
    "current_action",
    "permission_instances",
]


def permission_instances(classes: Sequence[Any]) -> list[Any]:
    """Instances of permission classes and of mixtures; those that allow everything are left out."""
    return [one() for one in classes if one not in (AllowAny, drf.AllowAny)]


async def authorize_connection(
    consumer: Any, authentication: Authentication, request: SocketRequest
) -> None:
    """Find out who connects, and whether he may. Raises 401, 403."""
    try:
        if authentication.authenticators:
            await authentication.handshake()
        permissions = await run(consumer.get_permissions, action="connect")
        if not await _may_connect(permissions, consumer, request):
            raise PermissionDenied
    except (AuthenticationFailed, PermissionDenied) as error:
        raise authentication.adapt_error(error) from error


async def _may_connect(permissions: Sequence[Any], consumer: Any, request: SocketRequest) -> bool:
    """Whether all of `permissions` let the connection of `request` be opened."""

    async def ask(permission: Any) -> Verdict:
        if needs_no_database(permission):
            return bool(permission.has_permission(request, consumer))
        if not _is_ours(permission):
            return bool(await run(permission.has_permission, request, consumer))
        if _has_none(permission, "can_connect"):
            return None
        given = {"scope": consumer.scope, "consumer": consumer}
        given["message"] = {"type": "websocket.connect"}
        taken = accepted_arguments(permission.can_connect, 0, given)
        return bool(await run(permission.can_connect, **taken))

    for permission in permissions:
        if await _verdict(permission, ask) is False:
            return False
    return True


@dataclass(slots=True, eq=False)
class ActionContext:
    """What a client asks of a consumer, and whom it was asked about."""

    action: str | None
    connection: Connection
    method: str = "GET"
    """The HTTP method that it is like, as permission classes see it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    permissions: Sequence[Any] | None = None
    """`None`: they have not been asked about the action."""
    decisions: dict[int, bool] = field(default_factory=dict)
    """What each operand of a mixture of both kinds said, by its `id`."""
    paginator: Any = None
    over: bool = False
    """Whether it has been answered."""
    _waiting: "list[asyncio.Future[None]] | None" = None
    action_kwargs: dict[str, Any] | None = None
    """What the action was sent, while a `get_serializer` is called that does not take it."""
    _kwargs: dict[str, Any] | None = None
    _request: SocketRequest | None = None

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the route found in the path, or what DRF's classes are shown in its place."""
        if self._kwargs is not None:
            return self._kwargs
        kwargs: dict[str, Any] = self.connection.scope.get("url_route", {}).get("kwargs", {})
        return kwargs

    @property
    def request(self) -> SocketRequest:
        """The request that permissions, filters and serializers see."""
        if self._request is None:
            event = "event" if self.action is None else "receive"
            self._request = SocketRequest(self.connection, event)
            self._request.set_action(self.method, self.arguments)
        return self._request

    def answered_future(self) -> "asyncio.Future[None] | None":
        """On the loop: what to wait for until it is; `None` where nothing is to be answered."""
        if self.action is None or self.over:
            return None
        future: asyncio.Future[None] = self.connection.loop_bridge.loop.create_future()
        self._waiting = [*(self._waiting or ()), future]
        return future

    def mark_answered(self) -> None:
        """It is: who waits for that may go on."""
        self.over = True
        for future in self._waiting or ():
            if not future.done():
                future.set_result(None)


current_action: ContextVar[ActionContext | None] = ContextVar("rest_channels_asking", default=None)
"""What is asked just now."""

LISTING = ("list", "list_cancel", "create")
"""Actions of no single row. If a key were shown for them, it would be the client's to choose."""


def _key(context: ActionContext, consumer: Any) -> dict[str, str]:
    """What a frame names as the key of its row, where an URL would."""
    name: str | None = getattr(consumer, "lookup_field", None)
    if name is None or context.action is None or context.action in LISTING:
        return {}
    method = getattr(consumer, consumer.available_actions.get(context.action, ""), None)
    name = consumer.lookup_url_kwarg or name
    key = context.arguments.get(name)
    if getattr(method, "kwargs", {}).get("detail") is False or isinstance(key, bool):
        return {}
    return {name: str(key)} if isinstance(key, str | int) else {}


@contextmanager
def _as_in_drf(context: ActionContext, consumer: Any) -> Iterator[SocketRequest]:
    """The block in which the view looks to DRF's classes as one of DRF's; its request.

    `action` is DRF's name for it, and `kwargs` have the key that the frame names, as text.
    """
    kwargs = {**context.kwargs, **_key(context, consumer)}
    request, before = context.request, current_action.get()
    action = context.action and DRF_NAMES.get(context.action, context.action)
    current_action.set(replace(context, action=action, _kwargs=kwargs))
    try:
        yield request
    finally:
        current_action.set(before)


async def authorize_action(context: ActionContext, consumer: Any) -> None:
    """Raise `PermissionDenied` (403) if a permission refuses the action."""

    async def ask(permission: Any) -> bool:
        context.decisions[id(permission)] = said = await _permits(permission, context, consumer)
        return said

    for permission in context.permissions or ():
        if isinstance(permission, OPERATORS):
            permitted = await _verdict(permission, ask)
        else:
            permitted = await _permits(permission, context, consumer)
        if not permitted:
            raise_permission_denied(permission)


async def _permits(permission: Any, context: ActionContext, consumer: Any) -> bool:
    if needs_no_database(permission):
        return bool(permission.has_permission(context.request, consumer))
    if not _is_ours(permission):
        with _as_in_drf(context, consumer) as request:
            return bool(await run(permission.has_permission, request, consumer))
    taken = _taken(permission, context, consumer)
    if is_async(permission.has_permission):
        return bool(await permission.has_permission(**taken))
    return bool(await run(permission.has_permission, **taken))


def _taken(permission: Any, context: ActionContext, consumer: Any) -> dict[str, Any]:
    """The arguments of one of our permissions. A client's never stand for ours."""
    ours = {"scope": consumer.scope, "consumer": consumer, "action": context.action}
    return accepted_arguments(permission.has_permission, 0, {**context.arguments, **ours})


def authorize_object(context: ActionContext, consumer: Any, found: Any) -> None:
    """Raise `PermissionDenied` (403) if a permission refuses the object that was `found`.

    To be called in a thread. Where nobody was asked about the action, they are now.
    """

    def verdict(permission: Any) -> Verdict:
        """As DRF's operands have it: an alternative counts only where it let the action pass."""
        if not _is_mixed(permission):
            if _has_none(permission, "has_object_permission"):
                return None
            if _is_ours(permission):
                said = permission.has_object_permission(context.request, consumer, found)
                return bool(await_in_thread(said))
            with _as_in_drf(context, consumer) as request:
                return bool(
                    await_in_thread(permission.has_object_permission(request, consumer, found))
                )
        operands = [*vars(permission).values()]
        if isinstance(permission, drf.OR):
            operands = [one for one in operands if _recall(one, context, consumer)]
        return _combined(permission, [verdict(one) for one in operands])

    permissions = context.permissions
    if permissions is None:
        permissions = await_in_thread(consumer.get_permissions(action=context.action))
    for permission in permissions or ():
        if verdict(permission) is False:
            raise_permission_denied(permission)


def _recall(permission: Any, context: ActionContext, consumer: Any) -> bool:
    """What was said of the action; who was not asked is asked now."""
    if id(permission) in context.decisions:
        return context.decisions[id(permission)]
    if isinstance(permission, OPERATORS):
        said: list[Verdict] = [
            _recall(operand, context, consumer) for operand in vars(permission).values()
        ]
        return bool(_combined(permission, said))
    if _is_ours(permission):
        return bool(
            await_in_thread(permission.has_permission(**_taken(permission, context, consumer)))
        )
    with _as_in_drf(context, consumer) as request:
        return bool(await_in_thread(permission.has_permission(request, consumer)))


Verdict = bool | None
"""`None`: no opinion, as of a class that has none about connecting."""


async def _verdict(permission: Any, ask: Callable[[Any], Awaitable[Verdict]]) -> Verdict:
    """What `ask` says of `permission`; of a mixture of both kinds, operand by operand."""
    if not _is_mixed(permission):
        return await ask(permission)
    said = []
    for operand in vars(permission).values():
        said.append(await _verdict(operand, ask))
        if said[-1] is isinstance(permission, drf.OR):  # that decides it
            break
    return _combined(permission, said)


def _combined(operator: Any, said: list[Verdict]) -> Verdict:
    """What `operator` makes of what its operands said."""
    if isinstance(operator, drf.NOT):
        return None if said[0] is None else not said[0]
    decisive = isinstance(operator, drf.OR)
    if decisive in said:
        return decisive
    return None if None in said else not decisive


def _has_none(permission: Any, opinion: str) -> bool:
    """Whether a class of ours has not said anything under that name."""
    said = getattr(type(permission), opinion, None)
    return _is_ours(permission) and said in (None, getattr(BasePermission, opinion))


def _is_ours(permission: Any) -> bool:
    """Whether it is asked as this library asks: one of our classes, or one that looks like them."""
    if isinstance(permission, BasePermission):
        return True
    kind: Any = type(permission)
    return not isinstance(permission, (drf.BasePermission, *OPERATORS)) and _takes_a_scope(kind)


@lru_cache(maxsize=1_000)
def _takes_a_scope(kind: type[Any]) -> bool:
    return "scope" in parameters(kind.has_permission, 1).names


def _is_mixed(permission: Any) -> bool:
    """Whether DRF's operators cannot be left to decide by themselves."""
    return isinstance(permission, OPERATORS) and not needs_no_database(permission)
