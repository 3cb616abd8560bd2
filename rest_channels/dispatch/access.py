"""Ask DRF's permission classes where it costs least.

Classes that look only at the request (`IsAuthenticated` and its like) are asked on the event loop.
Any other class may query a database, so all classes of an event are then asked in one thread.
"""

from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from ..concurrency.execution import awaited, run

__all__ = [
    "OPERATORS",
    "deny",
    "forget_permissions",
    "only_looks",
    "operands_of",
    "permit",
    "refuse",
]

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
