"""Permission classes for the actions of consumers, with djangochannelsrestframework's methods.

They mix with DRF's own classes by `&`, `|` and `~`. A consumer takes both kinds.
"""

from typing import Any

from rest_framework import permissions as drf

__all__ = ["AllowAny", "BasePermission", "IsAuthenticated"]


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
