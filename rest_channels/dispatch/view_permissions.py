"""Permission classes: where they are called, and how trees of them are evaluated.

Classes that look only at the request (`IsAuthenticated` and its like) are called on the event
loop. Any other class may query a database, so all classes of that event are called in one thread.
Permissions for the actions of consumers are in `actions.authorization`.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import Any, NoReturn

from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from ..concurrency.execution import await_in_thread, run
from ..protocol.arguments import parameters

__all__ = [
    "PermissionResult",
    "aevaluate",
    "check_permission_classes",
    "check_permissions",
    "evaluate",
    "forget_permissions",
    "needs_no_database",
    "raise_permission_denied",
]

REQUEST_ONLY_CLASSES = frozenset(
    {drf.AllowAny, drf.IsAuthenticated, drf.IsAdminUser, drf.IsAuthenticatedOrReadOnly}
)

OPERATORS = (drf.AND, drf.OR, drf.NOT)

PermissionResult = bool | None
"""`None`: the class does not decide, for example about connecting if it has no `can_connect`."""


def check_permission_classes(name: str, classes: Any) -> None:
    """Raise `TypeError` for a class that decides about actions of consumers."""
    for each in classes if isinstance(classes, Iterable) else ():
        if isinstance(each, type) and _is_for_consumers(each):
            raise TypeError(
                f"{name}.permission_classes has {each.__module__}.{each.__name__}, {_ADVICE}"
            )


_ADVICE = (
    "which is for consumers: write a class of rest_framework.permissions, or one with "
    "has_permission(self, request, view)."
)


def _is_for_consumers(cls: type) -> bool:
    method = getattr(cls, "has_permission", None)
    return bool(method) and (hasattr(cls, "can_connect") or "scope" in parameters(method, 1).names)


def _refuse_for_consumers(cls: type, view: Any) -> None:
    """Raise `TypeError` for a class of a setting or a tree, which no declaration has checked."""
    if _is_for_consumers(cls):
        raise TypeError(
            f"{type(view).__qualname__} is guarded by {cls.__module__}.{cls.__name__}, {_ADVICE}"
        )


def check_permissions(
    permissions: Sequence[Any], request: Any, view: Any
) -> Awaitable[None] | None:
    """Check every permission, now or in the awaitable that is returned.

    Raise 401 for a refusal if no user is logged in, else 403 with the `message` of the class.
    """
    for permission in permissions:
        if not needs_no_database(permission):
            return run(_check_in_thread, permissions, request, view)
    for permission in permissions:
        if not permission.has_permission(request, view):
            _raise_denied(request, permission)
    return None


def _check_in_thread(permissions: Sequence[Any], request: Any, view: Any) -> None:
    def has_permission(permission: Any) -> bool:
        _refuse_for_consumers(type(permission), view)
        return bool(await_in_thread(permission.has_permission(request, view)))

    for permission in permissions:
        if not evaluate(permission, has_permission):
            _raise_denied(request, permission)


def needs_no_database(permission: Any) -> bool:
    """Return whether `permission` reads only the request, so that the event loop may call it."""
    if type(permission) in REQUEST_ONLY_CLASSES:
        return True
    return isinstance(permission, OPERATORS) and all(
        map(needs_no_database, vars(permission).values())
    )


def evaluate(
    permission: Any,
    get_result: Callable[[Any], PermissionResult],
    may_decide: Callable[[Any], PermissionResult] | None = None,
) -> PermissionResult:
    """Return the result of a permission, or of a tree of `&`, `|` and `~`. For threads.

    DRF's own operators take a coroutine for true, and do not know `None`. `get_result` returns the
    result of one class. `may_decide` returns whether an operand of `|` counts (`None`: all count).
    """
    if not isinstance(permission, OPERATORS):
        return get_result(permission)
    steps, result = _steps(permission, may_decide), None
    while True:
        try:
            leaf = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        result = get_result(leaf)


async def aevaluate(
    permission: Any, get_result: Callable[[Any], Awaitable[PermissionResult]]
) -> PermissionResult:
    """Return what `evaluate` does. `get_result` is awaited on the event loop."""
    if not isinstance(permission, OPERATORS):
        return await get_result(permission)
    steps, result = _steps(permission), None
    while True:
        try:
            leaf = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        result = await get_result(leaf)


def _steps(
    permission: Any, may_decide: Callable[[Any], PermissionResult] | None = None
) -> Generator[Any, PermissionResult, PermissionResult]:
    """Yield the permissions to call, receive their results, and return the result of the tree."""
    if not isinstance(permission, OPERATORS):
        return (yield permission)
    decisive, undecided = isinstance(permission, drf.OR), False
    for operand in vars(permission).values():
        if decisive and may_decide is not None and not may_decide(operand):
            continue
        result = yield from _steps(operand, may_decide)
        if isinstance(permission, drf.NOT):
            return None if result is None else not result
        if result is decisive:
            return decisive
        undecided = undecided or result is None
    return None if undecided else not decisive


def forget_permissions(user: Any) -> None:
    """Clear the permission caches of `user`, which Django makes for the time of one request."""
    attributes = getattr(user, "__dict__", None)
    if attributes and "_wrapped" in attributes:  # a lazy user
        attributes = getattr(attributes["_wrapped"], "__dict__", None)
    if attributes:
        for name in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
            attributes.pop(name, None)


def _raise_denied(request: Any, permission: Any) -> NoReturn:
    user = request.user
    if not (user and user.is_authenticated):
        raise NotAuthenticated
    raise_permission_denied(permission)


def raise_permission_denied(permission: Any) -> NoReturn:
    """Raise `PermissionDenied` with the `message` and `code` of `permission`."""
    raise PermissionDenied(getattr(permission, "message", None), getattr(permission, "code", None))
