"""Permission classes for the actions of consumers, with the methods of djangochannelsrestframework.

A consumer takes these and DRF's own classes, also combined with `&`, `|` and `~`.
"""

from typing import Any

from rest_framework import permissions as drf
from rest_framework.permissions import (
    AND,
    NOT,
    OR,
    BasePermissionMetaclass,
    OperandHolder,
    OperationHolderMixin,
    SingleOperandHolder,
)

from .declarations.names import nearest_name

__all__ = ["AllowAny", "BasePermission", "IsAuthenticated", "WrappedDRFPermission"]
__all__ += ["AND", "NOT", "OR", "OperandHolder", "OperationHolderMixin", "SingleOperandHolder"]
__all__ += ["BasePermissionMetaclass"]

HOOKS = ("has_permission", "has_object_permission", "can_connect")


class BasePermission(drf.BasePermission):
    """The base class of permissions for actions. The methods may be `async def` or `def`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if (other := nearest_name(name, HOOKS)) not in (None, name):
                raise TypeError(f"{cls.__name__}.{name} is never called. Did you mean {other}?")

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        """Return whether the client may call `action` with the arguments `kwargs`."""
        return False

    async def can_connect(
        self, scope: dict[str, Any], consumer: Any, message: dict[str, Any] | None = None
    ) -> bool:
        """Return whether the client may connect. `message` is ASGI's `websocket.connect`."""
        return True


class AllowAny(BasePermission):
    """Allow every client every action."""

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        return True


class IsAuthenticated(BasePermission):
    """Allow actions to users who are logged in. Any client may connect."""

    async def has_permission(  # type: ignore[override]
        self, scope: dict[str, Any], consumer: Any, action: str, **kwargs: Any
    ) -> bool:
        user = scope.get("user")
        return user is not None and bool(user.is_authenticated)


class WrappedDRFPermission(BasePermission):
    """Return the permission of DRF that is given: consumers take it as it is.

    djangochannelsrestframework needs this class around it.
    """

    def __new__(cls, permission: Any) -> Any:
        return permission

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError(
            f"{cls.__name__} has no effect, because consumers take the permissions of DRF as they "
            'are. In place of mapped_actions write @action(http_method="GET").'
        )
