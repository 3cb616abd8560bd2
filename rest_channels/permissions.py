"""Who may: DRF's permission classes and this library's, asked before a handler runs.

Those that look only at the request (`IsAuthenticated` and its like) are asked where we stand; any
other of DRF's may query a database, so all of them are asked together in a thread. The classes
here have the methods of djangochannelsrestframework's, and mix with DRF's by `&`, `|` and `~`.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from .arguments import offered
from .connection import Connection
from .execution import run
from .request import SocketRequest

__all__ = [
    "AllowAny",
    "Asked",
    "BasePermission",
    "IsAuthenticated",
    "made",
    "may_connect",
    "method_of",
    "permit",
    "permit_action",
    "permit_object",
    "refuse",
]

METHODS = {
    "connect": "GET",
    "create": "POST",
    "delete": "DELETE",
    "list": "GET",
    "list_cancel": "GET",
    "patch": "PATCH",
    "retrieve": "GET",
    "update": "PUT",
}
"""The HTTP method that DRF's classes see for an action; POST for those that are not here."""

READING = ("subscribe_", "unsubscribe_")
"""How the names of other actions begin for which they see GET."""

_LOOKING = frozenset(
    {drf.AllowAny, drf.IsAuthenticated, drf.IsAdminUser, drf.IsAuthenticatedOrReadOnly}
)


OPERATORS = (drf.AND, drf.OR, drf.NOT)


def permit(permissions: Sequence[Any], request: Any, view: Any) -> Awaitable[None] | None:
    """Ask every permission; what to await if some cannot be asked here.

    Raises `NotAuthenticated` (401) where nobody is logged in, else `PermissionDenied` (403) with
    the `message` and `code` of the class that refused.
    """
    for permission in permissions:
        if not _only_looks(permission):
            return run(_ask, permissions, request, view)
    _ask(permissions, request, view)
    return None


def refuse(request: Any, permission: Any) -> NoReturn:
    """Raise the refusal of `permission`."""
    user = request.user
    if not (user and user.is_authenticated):
        raise NotAuthenticated
    deny(permission)


def _ask(permissions: Sequence[Any], request: Any, view: Any) -> None:
    for permission in permissions:
        if not permission.has_permission(request, view):
            refuse(request, permission)


def _only_looks(permission: Any) -> bool:
    if type(permission) in _LOOKING:
        return True
    return isinstance(permission, OPERATORS) and all(map(_only_looks, _operands(permission)))


# Actions of consumers.


class BasePermission(drf.BasePermission):
    """A permission that is asked about a consumer's actions. Both methods may be `def`.

    It takes DRF's operators, `IsStaff & ~IsBanned`, and has its operands.
    """

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        """Whether `action` may be called; no. In: `kwargs`, what the client sent with it."""
        return False

    async def can_connect(
        self, scope: dict[str, Any], consumer: Any, message: dict[str, Any] | None = None
    ) -> bool:
        """Whether the connection may be opened."""
        return True


class AllowAny(BasePermission):
    """Everybody may."""

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        return True


class IsAuthenticated(BasePermission):
    """Who is logged in may; everybody may connect."""

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        user = scope.get("user")
        return user is not None and bool(user.is_authenticated)


def made(classes: Sequence[Any]) -> list[Any]:
    """Instances of permission classes and of mixtures; those that allow everything are left out."""
    return [one() for one in classes if one not in (AllowAny, drf.AllowAny)]


def method_of(action: str, given: str | None = None) -> str:
    """The HTTP method that DRF's classes see for `action`: the one `given`, or the usual one."""
    if given is not None:
        return given
    return "GET" if action.startswith(READING) else METHODS.get(action, "POST")


async def may_connect(permissions: Sequence[Any], consumer: Any, request: SocketRequest) -> bool:
    """Whether all of `permissions` let the connection of `request` be opened."""

    async def ask(permission: Any) -> Verdict:
        if not isinstance(permission, BasePermission):
            return await _ask_drf(permission, request, consumer)
        if _has_none(permission, "can_connect"):
            return None
        message = {"type": "websocket.connect"}
        return bool(await run(permission.can_connect, consumer.scope, consumer, message))

    for permission in permissions:
        if await _verdict(permission, ask) is False:
            return False
    return True


@dataclass(slots=True)
class Asked:
    """What a client asks of a consumer, and whom it was asked about."""

    action: str | None
    connection: Connection
    method: str = "GET"
    """The HTTP method that it is like, as permission classes see it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    permissions: Sequence[Any] = ()
    verdicts: dict[int, bool] = field(default_factory=dict)
    """What each operand of a mixture of both kinds said, by its `id`."""
    paginator: Any = None
    _request: SocketRequest | None = None

    @property
    def request(self) -> SocketRequest:
        """The request that permissions, filters and serializers see."""
        if self._request is None:
            event = "event" if self.action is None else "receive"
            self._request = SocketRequest(self.connection, event)
            self._request.show_action(self.method, self.arguments)
        return self._request


async def permit_action(asked: Asked, consumer: Any) -> None:
    """Raise `PermissionDenied` (403) if a permission refuses the action."""

    async def ask(permission: Any) -> bool:
        if isinstance(permission, BasePermission):
            said = await _ask_ours(permission, asked, consumer)
        else:
            said = await _ask_drf(permission, asked.request, consumer)
        asked.verdicts[id(permission)] = said
        return said

    for permission in asked.permissions:
        if isinstance(permission, BasePermission):
            said: Verdict = await _ask_ours(permission, asked, consumer)
        else:
            said = await _verdict(permission, ask)
        if not said:
            deny(permission)


async def _ask_ours(permission: BasePermission, asked: Asked, consumer: Any) -> bool:
    given = offered(type(permission).has_permission, 4, asked.arguments)
    method = permission.has_permission
    return bool(await run(method, consumer.scope, consumer, asked.action, **given))


def permit_object(asked: Asked, consumer: Any, found: Any) -> None:
    """Raise `PermissionDenied` (403) if a permission refuses the object that was `found`."""

    def verdict(permission: Any) -> Verdict:
        """As DRF's operands have it: an alternative counts only where it let the action pass."""
        if not _is_mixed(permission):
            if _has_none(permission, "has_object_permission"):
                return None
            return bool(permission.has_object_permission(asked.request, consumer, found))
        operands = [*vars(permission).values()]
        if isinstance(permission, drf.OR):
            operands = [one for one in operands if _recall(one, asked.verdicts)]
        return _combined(permission, [verdict(one) for one in operands])

    for permission in asked.permissions:
        if verdict(permission) is False:
            deny(permission)


def deny(permission: Any) -> NoReturn:
    """Raise the `PermissionDenied` that `permission` has the words for."""
    raise PermissionDenied(getattr(permission, "message", None), getattr(permission, "code", None))


def _recall(permission: Any, verdicts: dict[int, bool]) -> bool:
    """What was said of the action, without asking again."""
    if id(permission) in verdicts:
        return verdicts[id(permission)]
    said = [_recall(operand, verdicts) for operand in vars(permission).values()]
    if isinstance(permission, drf.NOT):
        return not said[0]
    return all(said) if isinstance(permission, drf.AND) else any(said)


Verdict = bool | None
"""`None`: no opinion, as of a class that has none about connecting."""


async def _verdict(permission: Any, ask: Callable[[Any], Awaitable[Verdict]]) -> Verdict:
    """What `ask` says of `permission`; of a mixture of both kinds, operand by operand."""
    if not _is_mixed(permission):
        return await ask(permission)
    return _combined(permission, [await _verdict(one, ask) for one in vars(permission).values()])


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
    kind = type(permission)
    if not isinstance(permission, BasePermission):
        return False
    return getattr(kind, opinion) is getattr(BasePermission, opinion)


async def _ask_drf(permission: Any, request: SocketRequest, view: Any) -> bool:
    if _only_looks(permission):
        return bool(permission.has_permission(request, view))
    return bool(await run(permission.has_permission, request, view))


def _is_mixed(permission: Any) -> bool:
    return isinstance(permission, OPERATORS) and any(
        isinstance(operand, BasePermission) for operand in _operands(permission)
    )


def _operands(permission: Any) -> Iterator[Any]:
    """All permissions that a mixture is made of."""
    if isinstance(permission, OPERATORS):
        for operand in vars(permission).values():
            yield from _operands(operand)
    else:
        yield permission
