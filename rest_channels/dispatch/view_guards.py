"""The permissions and throttles of a view, checked before its handler is called."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

from rest_framework.permissions import AllowAny

from ..concurrency.execution import in_handshake_thread, run
from ..concurrency.hooks import acall_hook, wrap_async_hooks
from ..declarations.classes import is_own_class
from ..request import SocketRequest
from ..settings import api_settings
from ..throttling import check_throttles
from .view_permissions import check_permissions

__all__ = ["ViewGuards"]

GUARDS = ("check_permissions", "check_throttles", "get_permissions", "get_throttles")
"""The methods that may refuse an event."""

CREATION = ("__init__", "__new__", "__getattribute__", "__setattr__")
"""The methods of a class that may give an instance other methods than its class has.

So may `__getattr__`, which most classes lack.
"""

STEPS = ("dispatch", "find_handler", "check", "render_result")
"""The methods of a class that are called for every event, also without a handler for it."""

_methods_of = attrgetter(*CREATION, *STEPS, *GUARDS)
"""Returns the methods of a class, overridden or not, that decide which steps an event takes."""


class ViewGuards:
    """The part of a `SocketView` that may refuse an event.

    Attributes:
        permission_classes: DRF's permission classes.
        throttle_classes: DRF's throttle classes.
    """

    permission_classes: Sequence[Any] | None = None
    throttle_classes: Sequence[Any] | None = None

    request: SocketRequest
    event: str

    # The class and its methods that the following were found from.
    _noted: ClassVar[tuple[Any, ...]] = ()
    _default_permissions: ClassVar[bool] = True  # whether it overrides no `get_permissions`
    _default_throttles: ClassVar[bool] = True
    _default_dispatch: ClassVar[bool] = True
    _default_checks: ClassVar[bool] = True  # whether it overrides none of `GUARDS`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap_async_hooks(cls, GUARDS)
        cls._find_guards()

    @classmethod
    def _find_guards(cls) -> None:
        """Note which guards `cls` overrides. Decorators, or a test, may have replaced some."""
        noted = cls, getattr(cls, "__getattr__", None), _methods_of(cls)
        if cls._noted == noted:
            return
        cls._noted = noted
        plain = type(cls).__call__ is type.__call__ and not _is_own(cls, (*CREATION, "__getattr__"))
        defaults = {
            "_default_dispatch": plain and not _is_own(cls, STEPS),
            "_default_permissions": plain and cls.get_permissions is ViewGuards.get_permissions,
            "_default_throttles": plain and cls.get_throttles is ViewGuards.get_throttles,
            "_default_checks": plain
            and all(getattr(cls, name) is getattr(ViewGuards, name) for name in GUARDS),
        }
        for name, value in defaults.items():
            if getattr(cls, name) is not value:
                setattr(cls, name, value)

    @classmethod
    def lets_everyone_connect(cls) -> bool:
        """Return whether the class has no guard, as `check` finds it for an instance."""
        permissions, throttles = cls.permission_classes, cls.throttle_classes
        if permissions is None:
            permissions = api_settings.DEFAULT_PERMISSION_CLASSES
        if throttles is None:
            throttles = api_settings.DEFAULT_THROTTLE_CLASSES
        allows_any = not permissions or permissions == [AllowAny]
        return cls._default_checks and not throttles and allows_any

    def check(self) -> Awaitable[None] | None:
        """Check the permissions, then the throttles; now, or in the awaitable that is returned."""
        if self.event == "disconnect":  # cleaning up needs no permission
            return None
        if not self._default_checks:
            check: Awaitable[None] | None = self._call_guards()
        else:
            permissions, throttles = self.permission_classes, self.throttle_classes
            if permissions is None and throttles is None and not api_settings.guards_by_default:
                return None
            check = self._check_by_classes()
        return check if check is None or self.event != "connect" else in_handshake_thread(check)

    def _check_by_classes(self) -> Awaitable[None] | None:
        """Do what the guards do if none is overridden, without waiting where nothing waits."""
        permissions, throttles = self.get_permissions(), self.get_throttles()
        first = check_permissions(permissions, self.request, self) if permissions else None
        then = partial(check_throttles, throttles, self.request, self) if throttles else None
        if first is None:
            return None if then is None else then()
        return first if then is None else _one_after_another(first, then)

    async def _call_guards(self) -> None:
        offered = {"request": self.request}  # the signature of DRF
        await acall_hook(self.check_permissions, arguments=offered)
        await acall_hook(self.check_throttles, arguments=offered)

    async def check_permissions(self, request: Any = None) -> None:
        """Raise `NotAuthenticated` (401) or `PermissionDenied` (403). A `def` needs no `await`."""
        own = self.get_permissions
        permissions = own() if self._default_permissions else await run(own)
        if permissions and (check := check_permissions(permissions, self.request, self)):
            await check

    async def check_throttles(self, request: Any = None) -> None:
        """Raise `Throttled` (429). A `def` needs no `await`."""
        own = self.get_throttles
        throttles = own() if self._default_throttles else await run(own)
        await check_throttles(throttles, self.request, self)

    def get_permissions(self) -> Sequence[Any]:
        """Return the permissions for this event, as instances."""
        classes = self.permission_classes
        if classes is None:
            classes = api_settings.DEFAULT_PERMISSION_CLASSES
        return [permission() for permission in classes if permission is not AllowAny]

    def get_throttles(self) -> Sequence[Any]:
        """Return the throttles for this event, as instances."""
        classes = self.throttle_classes
        if classes is None:
            classes = api_settings.DEFAULT_THROTTLE_CLASSES
        return [throttle() for throttle in classes]


def _is_own(cls: type, names: Iterable[str]) -> bool:
    """Return whether a class of the project defines one of the methods `names` of `cls`."""
    bases = [base for base in cls.__mro__ if is_own_class(base)]
    return any(name in vars(base) for base in bases for name in names)


async def _one_after_another(first: Awaitable[None], then: Callable[[], Awaitable[None]]) -> None:
    await first
    await then()
