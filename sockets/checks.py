"""System checks of message routes, run by `manage.py check`."""

import itertools
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from rest_channels.protocol.patterns import slow_part

from .handlers import RoutedSocketHandler
from .router import routers

__all__ = ["check_patterns", "has_nested_quantifiers"]


def check_patterns(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of route patterns that can take exponential time (sockets.W001).

    The check sees routers and handlers imported by the URLconf, or by the routes of the
    `SocketApplication` that `ASGI_APPLICATION` names.
    """
    if urls := getattr(settings, "ROOT_URLCONF", None):
        import_module(urls)
    if asgi := getattr(settings, "ASGI_APPLICATION", None):
        _ = getattr(import_string(asgi), "routes", None)
    owners: Iterator[Any] = itertools.chain(list(routers), _subclasses(RoutedSocketHandler))
    warnings: dict[re.Pattern[str], CheckMessage] = {}  # subclasses inherit patterns: warn once
    for owner in owners:
        for pattern in (route[0] for route in owner.routes):
            if isinstance(pattern, re.Pattern) and (reason := slow_part(pattern)) is not None:
                warnings.setdefault(pattern, _warning(pattern, reason, owner))
    return [*warnings.values()]


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


def has_nested_quantifiers(pattern: str) -> bool:
    """Return whether `pattern` is slow for some texts: nested quantifiers, or the like."""
    return slow_part(pattern) is not None
