"""Find what a project routes sockets to: each entry of its lists, with its path's arguments."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import URLPattern, URLResolver
from django.utils.module_loading import import_string

from ..routing.application import SocketApplication, first_use
from ..routing.channel_routes import Include, Route

__all__ = ["Entry", "entries", "project_applications", "routes_of", "socket_part"]

WRAPPERS = ("inner", "application", "app")  # the attributes of ASGI middleware


class Entry(NamedTuple):
    """One route, or one stream of a multiplexer."""

    text: str
    """How the project wrote it, for messages."""
    target: Any
    kwargs: frozenset[str] = frozenset()
    """The keyword arguments that its path has."""
    args: int = 0
    """The number of positional arguments."""
    pattern: str | None = None
    """The pattern as it is matched with the beginning of the path; `None` for inner routes."""
    is_channel_route: bool = False
    """Whether it is a `route(…)`, whose target gets messages."""


def project_applications() -> list[Any]:
    """Return the application of `ASGI_APPLICATION`, and the one that this process serves."""
    found = []
    if dotted := getattr(settings, "ASGI_APPLICATION", None):
        found.append(import_string(dotted))
    if first_use.application is not None and first_use.application not in found:
        found.append(first_use.application)
    return found


def socket_part(application: Any) -> Any:
    """Return the application that `application` and its middleware pass sockets to, or `None`."""
    for _depth in range(20):
        if isinstance(application, SocketApplication) or routes_of(application) is not None:
            return application
        mapping = getattr(application, "application_mapping", None)  # a ProtocolTypeRouter
        if isinstance(mapping, Mapping):
            application = mapping.get("websocket")
            continue
        inner = next((name for name in WRAPPERS if name in _attributes(application)), None)
        if inner is None:
            return application
        application = getattr(application, inner)
    return None


def entries(application: Any, *, depth: int = 0) -> Iterator[Entry]:
    """Yield all routes of `application`. Raises what reading its list raises."""
    routes = routes_of(socket_part(application))
    if routes is not None and depth < 20:
        yield from _entries_of(routes, frozenset(), 0, "", depth)


def routes_of(application: Any) -> Any:
    """Return the list of a `SocketApplication` or a `URLRouter`; `None` for any other."""
    if isinstance(application, SocketApplication):
        return application.routes
    if type(application).__name__ == "URLRouter":
        return application.routes
    return None


def _entries_of(
    routes: Any, kwargs: frozenset[str], args: int, prefix: str, depth: int
) -> Iterator[Entry]:
    for entry in routes:
        if isinstance(entry, URLPattern | URLResolver):
            names, count = _groups(entry)
            text = prefix + str(entry.pattern)
            inner = entry.url_patterns if isinstance(entry, URLResolver) else None
            inner = routes_of(getattr(entry, "callback", None)) if inner is None else inner
            if inner is not None:
                yield from _entries_of(inner, kwargs | names, args + count, text, depth + 1)
            elif isinstance(entry, URLPattern):
                yield from _with_streams(_path_entry(entry, kwargs | names, args + count, prefix))
        elif isinstance(entry, Route):
            yield from _with_streams(_channel_entry(entry, kwargs, prefix))
        elif isinstance(entry, Include):
            filters = entry.prefixes.values()
            names = frozenset().union(*(filter.groupindex for filter in filters))
            text = prefix + "".join(filter.pattern for filter in filters)
            yield from _entries_of(entry.routes, kwargs | names, args, text or "include", depth + 1)


def _path_entry(entry: URLPattern, kwargs: frozenset[str], args: int, prefix: str) -> Entry:
    pattern = str(entry.pattern)
    function = "path" if hasattr(entry.pattern, "_route") else "re_path"
    text = f"{function}({prefix + pattern!r}, …)"
    names = kwargs | set(entry.default_args)
    return Entry(text, entry.callback, names, args, None if prefix else pattern)


def _channel_entry(entry: Route, kwargs: frozenset[str], prefix: str) -> Entry:
    names = frozenset().union(*(filter.groupindex for filter in entry.filters.values()))
    pattern = entry.filters["path"].pattern if "path" in entry.filters else None
    text = f"route(…, path={pattern!r})" if pattern else "route(…)"
    is_channel_route = not entry.is_application
    first = None if prefix else pattern
    return Entry(text, entry.consumer, kwargs | names, 0, first, is_channel_route)


def _groups(entry: URLPattern | URLResolver) -> tuple[frozenset[str], int]:
    """Return the names, or else the number, of what the pattern of a route captures."""
    names = frozenset(entry.pattern.converters)
    if names:
        return names, 0
    regex: re.Pattern[str] = entry.pattern.regex
    return frozenset(regex.groupindex), 0 if regex.groupindex else regex.groups


def _with_streams(entry: Entry) -> Iterator[Entry]:
    yield entry
    for name, stream in getattr(entry.target, "applications", {}).items():
        text = f"the stream {name!r} of {entry.text}"
        yield entry._replace(text=text, target=stream, pattern=None)


def _attributes(application: Any) -> set[str]:
    return set(getattr(application, "__dict__", ()))
