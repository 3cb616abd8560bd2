"""Ask DRF's permission classes where it costs least.

Classes that look only at the request (`IsAuthenticated` and its like) are asked on the event loop.
Any other class may query a database, so all classes of an event are then asked in one thread.
"""

from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from ..concurrency.execution import await_in_thread, run

__all__ = [
    "OPERATORS",
    "check_permissions",
    "forget_permissions",
    "needs_no_database",
    "operands_of",
    "raise_denied",
    "raise_permission_denied",
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


def check_permissions(
    permissions: Sequence[Any], request: Any, view: Any
) -> Awaitable[None] | None:
    """Ask every permission; what to await if some cannot be asked here.

    Raises `NotAuthenticated` (401) where nobody is logged in, else `PermissionDenied` (403) with
    the `message` and `code` of the class that refused.
    """
    for permission in permissions:
        if not needs_no_database(permission):
            return run(_ask, permissions, request, view)
    for permission in permissions:
        if not permission.has_permission(request, view):
            raise_denied(request, permission)
    return None


PERMISSION_CACHES = ("_perm_cache", "_user_perm_cache", "_group_perm_cache")
"""Where Django's users keep their permissions, once they were asked for."""


def forget_permissions(user: Any) -> None:
    """Let `user` look for them again: what is kept for a request is too old for a socket."""
    known = getattr(user, "__dict__", None)
    if known and "_wrapped" in known:  # a lazy user's
        known = getattr(known["_wrapped"], "__dict__", None)
    if known:
        for name in PERMISSION_CACHES:
            known.pop(name, None)


def raise_denied(request: Any, permission: Any) -> NoReturn:
    """Raise the refusal of `permission`."""
    user = request.user
    if not (user and user.is_authenticated):
        raise NotAuthenticated
    raise_permission_denied(permission)


def _ask(permissions: Sequence[Any], request: Any, view: Any) -> None:
    for permission in permissions:
        if not _permits(permission, request, view):
            raise_denied(request, permission)


def _permits(permission: Any, request: Any, view: Any) -> bool:
    """What a class says, in a thread; DRF's operators would take a coroutine for a yes."""
    if not isinstance(permission, OPERATORS):
        return bool(await_in_thread(permission.has_permission(request, view)))
    said = (_permits(operand, request, view) for operand in vars(permission).values())
    if isinstance(permission, drf.NOT):
        return not next(said)
    return any(said) if isinstance(permission, drf.OR) else all(said)


def needs_no_database(permission: Any) -> bool:
    """Whether it can be asked on the loop: it looks at nothing but the request."""
    if type(permission) in _LOOKING:
        return True
    return isinstance(permission, OPERATORS) and all(
        map(needs_no_database, operands_of(permission))
    )


def raise_permission_denied(permission: Any) -> NoReturn:
    """Raise the `PermissionDenied` that `permission` has the words for."""
    raise PermissionDenied(getattr(permission, "message", None), getattr(permission, "code", None))
