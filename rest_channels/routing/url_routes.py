"""Match a path with `path()`, `re_path()`, `include()`, and with Channels' `URLRouter` inside them.

A `URLRouter` in the list is matched as part of the list. Its consumer receives what Channels gives
it: `path_remaining`, and the arguments of all patterns in `url_route`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from channels.routing import URLRouter
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RegexPattern, RoutePattern

__all__ = ["RouteMatch", "match_route"]


class RouteMatch(NamedTuple):
    """The application for a path, and the arguments in the path."""

    application: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    path_remaining: str
    """The part of the path that no pattern has matched, as Channels' routers leave it."""


def match_route(entry: URLPattern | URLResolver, path: str) -> RouteMatch | None:
    """Return the match of `entry`, or `None`. `path` has no `/` at its start."""
    match = _pattern(entry).match(path)
    if match is None:
        return None
    rest, args, found = match
    kwargs = {**found, **_default_arguments(entry)}
    if isinstance(entry, URLResolver):
        if (inner := _first_match(entry.url_patterns, rest)) is None:
            return None
        kwargs.update(inner.kwargs)
        # As in Django: positional arguments count only if there are no named ones.
        return inner._replace(args=inner.args if kwargs else (*args, *inner.args), kwargs=kwargs)
    router: Any = entry.callback
    if type(router) is URLRouter:
        if (inner := _first_match(router.routes, rest.lstrip("/"))) is None:
            return None
        return inner._replace(args=(*args, *inner.args), kwargs={**kwargs, **inner.kwargs})
    return RouteMatch(router, args, kwargs, rest)


def _first_match(entries: Iterable[Any], path: str) -> RouteMatch | None:
    matches = (match_route(entry, path) for entry in entries)
    return next((match for match in matches if match is not None), None)


def _pattern(entry: URLPattern | URLResolver) -> Any:
    """Return the pattern of `entry`. In front of a router it matches the start of the path."""
    pattern: Any = entry.pattern
    if not getattr(getattr(entry, "callback", None), "_path_routing", False):
        return pattern
    if isinstance(pattern, RoutePattern | RegexPattern):
        return type(pattern)(str(pattern), pattern.name, is_endpoint=False)
    raise ImproperlyConfigured(f"{entry!r} cannot contain a router: use path() or re_path().")


def _default_arguments(entry: URLPattern | URLResolver) -> dict[str, Any]:
    return entry.default_kwargs if isinstance(entry, URLResolver) else entry.default_args
