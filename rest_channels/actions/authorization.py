"""Check permissions for the connection of a consumer, for its actions, and for objects.

The classes may be DRF's, this library's, and trees of both. The result is the one that a DRF view
with the same classes would give. A class of this library without `can_connect` lets a client in.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from asgiref.sync import markcoroutinefunction
from rest_framework import permissions as drf
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from ..authentication import Authentication
from ..concurrency.execution import await_in_thread, in_handshake_thread, is_async, run
from ..concurrency.hooks import acall_hook, call_hook
from ..dispatch.view_permissions import (
    OPERATORS,
    PermissionResult,
    aevaluate,
    evaluate,
    needs_no_database,
    raise_permission_denied,
)
from ..permissions import AllowAny, BasePermission
from ..protocol.arguments import (
    Parameters,
    accepted_arguments,
    accepted_by,
    method_parameters,
    parameters,
)
from ..protocol.function_cache import FunctionCache
from ..request import SocketRequest
from ..settings import api_settings
from ..throttling import FailedAuthentications, check_throttles
from .context import ActionContext, shown_to_drf

__all__ = [
    "allow_everyone",
    "authorize_action",
    "authorize_connection",
    "authorize_object",
    "check_action",
    "has_throttles",
    "permission_instances",
    "permissions_for",
    "throttle_action",
    "while_not_expired",
]


def allow_everyone(classes: Sequence[Any] | None) -> bool:
    """Return whether `permission_instances` would be empty, without making any."""
    known = api_settings.DEFAULT_PERMISSION_CLASSES if classes is None else classes
    return all(each is AllowAny or each is drf.AllowAny for each in known)


def permission_instances(classes: Sequence[Any] | None) -> list[Any]:
    """Return instances of classes and trees, or of the setting's, but those that allow all."""
    if classes is None:
        classes = api_settings.DEFAULT_PERMISSION_CLASSES
    return [
        permission()
        for permission in classes
        if permission is not AllowAny and permission is not drf.AllowAny
    ]


def authorize_connection(consumer: Any) -> Awaitable[None] | None:
    """Authenticate the client and check that it may connect, now or in what is returned.

    Raises 401, 403 or 429. A consumer that overrides no hook, has no authenticators, and whose
    permissions only look at the request, needs no thread.
    """
    request, permissions = SocketRequest(consumer._connection, "connect"), None
    if consumer._default_checks:
        permissions = permission_instances(consumer.permission_classes)
        at_once = consumer._default_authenticators and not consumer._authenticator_classes()
        if at_once and all(map(needs_no_database, permissions)):
            if not all(permission.has_permission(request, consumer) for permission in permissions):
                raise PermissionDenied
            return None
    return in_handshake_thread(_authorize(consumer, request, permissions))


async def _authorize(
    consumer: Any, request: SocketRequest, permissions: Sequence[Any] | None
) -> None:
    """Authenticate the client, and check `permissions`. `None`: those that the consumer returns."""
    found = await acall_hook(consumer.get_authenticators, arguments={})
    if found:
        ask_for_token = consumer._request_new_token
        consumer._authentication = Authentication(found, consumer._connection, ask_for_token)
    authentication: Authentication = consumer._authentication
    may_connect = partial(_may_connect, consumer, request)
    try:
        if authentication.authenticators:
            throttles = await acall_hook(consumer.get_throttles, arguments={})
            async with FailedAuthentications(throttles, request, consumer):
                await authentication.handshake()
        if permissions is None:
            permissions = await permissions_for(consumer, "connect", {})
        for permission in permissions or ():
            if await aevaluate(permission, may_connect) is False:
                raise PermissionDenied
    except (AuthenticationFailed, PermissionDenied) as error:
        raise authentication.adapt_error(error)  # noqa: B904 - it has its cause


async def _may_connect(consumer: Any, request: SocketRequest, permission: Any) -> PermissionResult:
    if needs_no_database(permission):
        return bool(permission.has_permission(request, consumer))
    if not _takes_scope(permission):
        if hasattr(permission, "can_connect"):
            raise TypeError(
                f"{type(permission).__qualname__}.can_connect is never called: derive the "
                "class from rest_channels.permissions.BasePermission."
            )
        return bool(await run(permission.has_permission, request, consumer))
    if _lacks(permission, "can_connect"):
        return None
    message = {"type": "websocket.connect"}
    offered = {"scope": consumer.scope, "consumer": consumer, "message": message}
    accepted = accepted_arguments(permission.can_connect, 0, offered)
    return bool(await run(permission.can_connect, **accepted))


async def permissions_for(consumer: Any, action: str | None, arguments: dict[str, Any]) -> Any:
    """Return what `get_permissions` of the consumer returns for an action."""
    return await acall_hook(consumer.get_permissions, arguments={**arguments, "action": action})


def check_action(consumer: Any, context: ActionContext) -> Awaitable[None] | None:
    """Check that the running action is permitted, when awaited. Raises 401 or 403.

    A consumer that overrides no hook and has no permissions needs no check.
    """
    if consumer._default_checks:
        permissions = context.permissions = permission_instances(consumer.permission_classes)
        return authorize_action(context, consumer) if permissions else None
    offered = {**context.arguments, "action": context.action}
    method = consumer.check_permissions
    if "request" in method_parameters(method, 0).names:  # the signature of DRF
        offered["request"] = context.request
    return acall_hook(method, arguments=offered)


def throttle_action(consumer: Any, context: ActionContext) -> Awaitable[None] | None:
    """Check the throttles for the running action, when awaited. Raises 429."""
    if not consumer._default_throttles:
        found = acall_hook(consumer.get_throttles, arguments={})
        return check_throttles(found, context.request, consumer)
    throttles = consumer.get_throttles()
    return check_throttles(throttles, context.request, consumer) if throttles else None


def has_throttles(consumer: Any) -> bool:
    """Return whether there may be throttles to check for an action."""
    if not consumer._default_throttles:
        return True
    own = consumer.throttle_classes
    return bool(api_settings.DEFAULT_THROTTLE_CLASSES if own is None else own)


def while_not_expired(
    consumer: Any, context: ActionContext, handler: Callable[..., Any]
) -> Callable[..., Any]:
    """Return `handler`, or one that raises 401 if a token has expired since the checks began.

    A `def` may have to wait for a thread after the checks.
    """
    authentication, count = consumer._authentication, context.expiry_count
    if count is None or not authentication.authenticators:
        return handler

    def call(*args: Any, **kwargs: Any) -> Any:
        authentication.check_not_expired_since(count)
        return handler(*args, **kwargs)

    call.__qualname__ = getattr(handler, "__qualname__", repr(handler))  # for logs
    return markcoroutinefunction(call) if is_async(handler) else call


async def authorize_action(context: ActionContext, consumer: Any) -> None:
    """Raise 401 or 403, as the authentication of the consumer says, if a permission refuses."""
    try:
        for permission in context.permissions or ():
            permitted: bool | None
            method = permission.has_permission
            function = getattr(method, "__func__", None)
            known = _awaited.get(id(function)) or _awaited_parameters(function)
            # `isinstance` would call the metaclass of permissions.
            if known is not None and BasePermission in type(permission).__mro__:
                permitted = await method(**accepted_by(known, _offered(context, consumer)))
            elif isinstance(permission, OPERATORS) and not needs_no_database(permission):
                permitted = await aevaluate(permission, partial(_decide, context, consumer))
            else:
                permitted = await _has_permission(permission, context, consumer)
            if not permitted:
                raise_permission_denied(permission)
    except PermissionDenied as error:
        raise consumer._authentication.adapt_error(error)  # noqa: B904 - it has its cause


async def _decide(context: ActionContext, consumer: Any, permission: Any) -> bool:
    """Return the decision of a permission in a tree, and keep it for objects."""
    decision = await _has_permission(permission, context, consumer)
    context.decisions[id(permission)] = decision
    return decision


async def _has_permission(permission: Any, context: ActionContext, consumer: Any) -> bool:
    if needs_no_database(permission):
        return bool(permission.has_permission(context.request, consumer))
    if not _takes_scope(permission):
        with shown_to_drf(context, consumer) as request:
            return bool(await run(permission.has_permission, request, consumer))
    method = permission.has_permission
    return bool(await run(method, **_accepted_by(method, context, consumer)))


def authorize_object(context: ActionContext, consumer: Any, row: Any) -> None:
    """Raise `PermissionDenied` (403) if a permission refuses the object `row`. For threads.

    As in DRF, an operand of `|` counts only if it permitted the action. A permission that was not
    yet called for the action is called now.
    """

    def has_object_permission(permission: Any) -> PermissionResult:
        if _lacks(permission, "has_object_permission"):
            return None
        if _takes_scope(permission):
            answer = permission.has_object_permission(context.request, consumer, row)
            return bool(await_in_thread(answer))
        with shown_to_drf(context, consumer) as request:
            return bool(await_in_thread(permission.has_object_permission(request, consumer, row)))

    def permitted_action(permission: Any) -> PermissionResult:
        return evaluate(permission, lambda leaf: _decision(leaf, context, consumer))

    permissions = context.permissions
    if permissions is None:
        offered = {**context.arguments, "action": context.action}
        permissions = call_hook(consumer.get_permissions, arguments=offered)
    for permission in permissions or ():
        if evaluate(permission, has_object_permission, permitted_action) is False:
            raise_permission_denied(permission)


def _decision(permission: Any, context: ActionContext, consumer: Any) -> bool:
    """Return whether `permission` permits the action. For threads."""
    if id(permission) in context.decisions:
        return context.decisions[id(permission)]
    if _takes_scope(permission):
        method = permission.has_permission
        return bool(await_in_thread(method(**_accepted_by(method, context, consumer))))
    with shown_to_drf(context, consumer) as request:
        return bool(await_in_thread(permission.has_permission(request, consumer)))


def _awaited_parameters(function: Any) -> Parameters | None:
    """Return the parameters of a method's `function` if that is an `async def`, else `None`."""
    if function is None or not is_async(function):
        return None
    return _awaited.keep(function, id(function), parameters(function, 1))


_awaited = FunctionCache[Parameters]()


def _accepted_by(method: Any, context: ActionContext, consumer: Any) -> dict[str, Any]:
    """Return the arguments of a `has_permission`."""
    return accepted_arguments(method, 0, _offered(context, consumer))


def _offered(context: ActionContext, consumer: Any) -> dict[str, Any]:
    """Return what a `has_permission` may take. A client cannot replace what the library passes."""
    offered = context.arguments.copy()  # a literal with `**` would take twice as long
    offered["scope"] = consumer.scope
    offered["consumer"] = consumer
    offered["action"] = context.action
    return offered


def _lacks(permission: Any, method: str) -> bool:
    """Return whether `permission` takes a scope and does not implement `method`."""
    implementation = getattr(type(permission), method, None)
    return _takes_scope(permission) and implementation in (None, getattr(BasePermission, method))


def _takes_scope(permission: Any) -> bool:
    """Return whether `has_permission` takes a scope, as in `rest_channels.permissions`."""
    if isinstance(permission, BasePermission):
        return True
    if isinstance(permission, drf.BasePermission):
        return False
    return "scope" in parameters(type(permission).has_permission, 1).names
