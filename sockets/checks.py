"""System checks: what `manage.py check` finds before a user does."""

import itertools
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from .handlers import RoutedSocketHandler
from .router import routers

__all__ = ["check_patterns", "nests_quantifiers"]


def check_patterns(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """sockets.W001: the pattern of a route may take exponential time.

    It sees the routers and handlers that are imported with the URLconf, and with the routes of the
    `SocketApplication` that `ASGI_APPLICATION` names.
    """
    if urls := getattr(settings, "ROOT_URLCONF", None):
        import_module(urls)
    if asgi := getattr(settings, "ASGI_APPLICATION", None):
        _ = getattr(import_string(asgi), "routes", None)
    owners: Iterator[Any] = itertools.chain(list(routers), _handlers(RoutedSocketHandler))
    found: dict[re.Pattern[str], CheckMessage] = {}  # for whoever has it first
    for owner in owners:
        for pattern in (route[0] for route in owner.routes):
            if isinstance(pattern, re.Pattern) and nests_quantifiers(pattern.pattern):
                found.setdefault(pattern, _warning(pattern, owner))
    return [*found.values()]


def _handlers(base: type[RoutedSocketHandler]) -> Iterator[type[RoutedSocketHandler]]:
    for handler in base.__subclasses__():
        yield handler
        yield from _handlers(handler)


def _warning(pattern: re.Pattern[str], owner: Any) -> CheckMessage:
    return Warning(
        f"The route {pattern.pattern!r} repeats what is repeated itself. A client can find a type "
        "that takes such a pattern very long.",
        hint="Write it with one quantifier, such as [A-Z_]+, or route the types one by one.",
        obj=owner,
        id="sockets.W001",
    )


_QUANTIFIER = r"(?:[*+]|\{\d*,\d*\})"
_ESCAPED = re.compile(r"\\.")
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_INNERMOST = re.compile(rf"\((?:\?[^()]*?[:>=!]|\?P<\w+>)?([^()]*)\)({_QUANTIFIER})?")


def nests_quantifiers(pattern: str) -> bool:
    """Whether something that is repeated without bound repeats something inside it, as `(a+)+`."""
    rest = _CLASS.sub("x", _ESCAPED.sub("x", pattern))
    while (group := _INNERMOST.search(rest)) is not None:
        inside, quantifier = group.groups()
        repeats = re.search(_QUANTIFIER, inside) is not None
        if repeats and quantifier:
            return True
        as_one = "x+" if repeats or quantifier else "x"
        rest = rest[: group.start()] + as_one + rest[group.end() :]
    return False
