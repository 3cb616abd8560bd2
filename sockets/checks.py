"""System checks of message routes, run by `manage.py check`. docs/checks.md lists them."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.urls import get_resolver
from django.utils.module_loading import import_string

from rest_channels.checks.classes import takes
from rest_channels.protocol.patterns import slow_part

from .handlers import RoutedSocketHandler
from .router import SocketRouter, routers

__all__ = ["check_patterns", "check_routers"]


def check_patterns(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of route patterns that can take exponential time (sockets.W001).

    The check sees routers and handlers imported by the URLconf, or by the routes of the
    `SocketApplication` that `ASGI_APPLICATION` names.
    """
    if getattr(settings, "ROOT_URLCONF", None):
        _ = get_resolver().urlconf_module  # a module's name, or what has its `urlpatterns`
    if asgi := getattr(settings, "ASGI_APPLICATION", None):
        with contextlib.suppress(Exception):  # rest_channels.E020 reports it
            _ = getattr(import_string(asgi), "routes", None)
    owners: Iterator[Any] = itertools.chain(list(routers), _subclasses(RoutedSocketHandler))
    warnings: dict[re.Pattern[str], CheckMessage] = {}  # subclasses inherit patterns: warn once
    for owner in owners:
        for pattern in (route[0] for route in owner.routes):
            if isinstance(pattern, re.Pattern) and (reason := slow_part(pattern)) is not None:
                warnings.setdefault(pattern, _warning(pattern, reason, owner))
    return [*warnings.values()]


def check_routers(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """sockets.E001, sockets.W002: functions of routers with wrong arguments, types given twice."""
    return [message for router in list(routers) for message in _router_messages(router)]


def _router_messages(router: SocketRouter) -> Iterator[CheckMessage]:
    seen: set[Any] = set()
    expected = [(route[1], 2, "socket, content") for route in router.routes]
    expected += [(each, 1, "socket") for each in router.event_functions]
    if router.default_function is not None:
        expected.append((router.default_function, 2, "socket, content"))
    for function, count, arguments in expected:
        if not takes(function, count, ()) and not (count == 1 and takes(function, 2, ())):
            name = getattr(function, "__name__", repr(function))
            message = f"{router!r}: {name} cannot be called as {name}({arguments})."
            hint = f"Write def {name}({arguments})."
            yield Error(message, hint, obj=router, id="sockets.E001")
    for name, *_rest in router.routes:
        if name in seen:
            message = f"{router!r} has two routes for {name!r}. Only the last one is called."
            hint = "Put both into one function, or give them different types."
            yield Warning(message, hint, obj=router, id="sockets.W002")
        seen.add(name)


def _subclasses(base: type[RoutedSocketHandler]) -> Iterator[type[RoutedSocketHandler]]:
    for handler in base.__subclasses__():
        yield handler
        yield from _subclasses(handler)


def _warning(pattern: re.Pattern[str], reason: str, owner: Any) -> CheckMessage:
    return Warning(
        f"The route pattern {pattern.pattern!r} has {reason}. A client can send a type "
        "that takes very long to match.",
        hint="Use one quantifier, such as [A-Z_]+, or add a route for each type.",
        obj=owner,
        id="sockets.W001",
    )
