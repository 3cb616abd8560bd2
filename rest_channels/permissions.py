"""Who may: DRF's permission classes, asked before a handler runs.

Those that look only at the request (`IsAuthenticated` and its like) are asked where we stand; any
other may query a database, so all of them are asked together in a thread.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from .execution import run

__all__ = ["permit"]

_LOOKING = frozenset(
    {drf.AllowAny, drf.IsAuthenticated, drf.IsAdminUser, drf.IsAuthenticatedOrReadOnly}
)


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
    message = getattr(permission, "message", None)
    raise PermissionDenied(message, getattr(permission, "code", None))


def _ask(permissions: Sequence[Any], request: Any, view: Any) -> None:
    for permission in permissions:
        if not permission.has_permission(request, view):
            refuse(request, permission)


def _only_looks(permission: Any) -> bool:
    if type(permission) in _LOOKING:
        return True
    if isinstance(permission, drf.AND | drf.OR | drf.NOT):
        return all(_only_looks(operand) for operand in vars(permission).values())
    return False
