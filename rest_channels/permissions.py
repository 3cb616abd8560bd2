"""Who may: DRF's permission classes and this library's, asked before a handler runs.

Those that look only at the request (`IsAuthenticated` and its like) are asked where we stand; any
other of DRF's may query a database, so all of them are asked together in a thread. The classes
here have the methods of djangochannelsrestframework's, and mix with DRF's by `&`, `|` and `~`.
"""

from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from .execution import awaited, run

__all__ = [
    "ALIASES",
    "OPERATORS",
    "AllowAny",
    "BasePermission",
    "IsAuthenticated",
    "deny",
    "made",
    "method_of",
    "only_looks",
    "operands_of",
    "permit",
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

ALIASES = {"patch": "partial_update", "delete": "destroy"}
"""The names that actions have in DRF's viewsets, where they differ."""

READING = ("subscribe_", "unsubscribe_")
"""How the names of other actions begin for which they see GET."""

_LOOKING = frozenset(
    {drf.AllowAny, drf.IsAuthenticated, drf.IsAdminUser, drf.IsAuthenticatedOrReadOnly}
)


OPERATORS = (drf.AND, drf.OR, drf.NOT)


def operands_of(permission: Any) -> Iterator[Any]:
    """All permissions that a mixture is made of."""
    if isinstance(permission, OPERATORS):
        for operand in vars(permission).values():
            yield from operands_of(operand)
    else:
        yield permission


def permit(permissions: Sequence[Any], request: Any, view: Any) -> Awaitable[None] | None:
    """Ask every permission; what to await if some cannot be asked here.

    Raises `NotAuthenticated` (401) where nobody is logged in, else `PermissionDenied` (403) with
    the `message` and `code` of the class that refused.
    """
    for permission in permissions:
        if not only_looks(permission):
            return run(_ask, permissions, request, view)
    for permission in permissions:
        if not permission.has_permission(request, view):
            refuse(request, permission)
    return None


KEPT = ("_perm_cache", "_user_perm_cache", "_group_perm_cache")
"""Where Django's users keep their permissions, once they were asked for."""


def forget_permissions(user: Any) -> None:
    """Let `user` look for them again: what is kept for a request is too old for a socket."""
    known = getattr(user, "__dict__", None)
    if known and "_wrapped" in known:  # a lazy user's
        known = getattr(known["_wrapped"], "__dict__", None)
    if known:
        for name in KEPT:
            known.pop(name, None)


def refuse(request: Any, permission: Any) -> NoReturn:
    """Raise the refusal of `permission`."""
    user = request.user
    if not (user and user.is_authenticated):
        raise NotAuthenticated
    deny(permission)


def _ask(permissions: Sequence[Any], request: Any, view: Any) -> None:
    for permission in permissions:
        if not _permits(permission, request, view):
            refuse(request, permission)


def _permits(permission: Any, request: Any, view: Any) -> bool:
    """What a class says, in a thread; DRF's operators would take a coroutine for a yes."""
    if not isinstance(permission, OPERATORS):
        return bool(awaited(permission.has_permission(request, view)))
    said = (_permits(operand, request, view) for operand in vars(permission).values())
    if isinstance(permission, drf.NOT):
        return not next(said)
    return any(said) if isinstance(permission, drf.OR) else all(said)


def only_looks(permission: Any) -> bool:
    """Whether it can be asked on the loop: it looks at nothing but the request."""
    if type(permission) in _LOOKING:
        return True
    return isinstance(permission, OPERATORS) and all(map(only_looks, operands_of(permission)))


def deny(permission: Any) -> NoReturn:
    """Raise the `PermissionDenied` that `permission` has the words for."""
    raise PermissionDenied(getattr(permission, "message", None), getattr(permission, "code", None))


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
