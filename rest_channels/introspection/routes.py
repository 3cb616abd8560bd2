"""Find what a project routes sockets to: each entry of its lists, with its path's arguments."""

import inspect
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.admindocs.utils import (
    remove_non_capturing_groups,
    replace_metacharacters,
    replace_named_groups,
    replace_unnamed_groups,
)
from django.urls import URLPattern, URLResolver
from django.urls.converters import get_converters
from django.utils.module_loading import import_string

from ..routing.application import SocketApplication
from ..routing.channel_routes import Include, Route
from ..routing.first_use import first_use

__all__ = [
    "Entry",
    "class_of",
    "entries",
    "own_entries",
    "project_applications",
    "routes_of",
    "socket_part",
]

MAX_DEPTH = 20
"""How many lists may be inside each other, and how much middleware around an application."""

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
    path: str = "/"
    """The path for readers: `/tables/<int:pk>/`."""
    converters: Mapping[str, str] = MappingProxyType({})
    """The names of Django's path converters, by argument. Those of regular expressions: `str`."""
    stream: str | None = None
    """The name of the stream, if `target` is one of a multiplexer."""
    multiplexer: Any = None
    events: frozenset[str] = frozenset()
    """The events of a `route(…)`."""


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
    for _depth in range(MAX_DEPTH):
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


class Outer(NamedTuple):
    """What the lists around an entry add to it."""

    kwargs: frozenset[str] = frozenset()
    args: int = 0
    prefix: str = ""
    """The patterns around it, as the project wrote them."""
    path: str = ""
    converters: Mapping[str, str] = MappingProxyType({})
    depth: int = 0


def entries(application: Any) -> Iterator[Entry]:
    """Yield all routes of `application`. Raises what reading its list raises."""
    routes = routes_of(socket_part(application))
    if routes is not None:
        yield from _entries_of(routes, Outer())


def own_entries(application: Any, path: str) -> Iterator[Entry]:
    """Yield `application` itself, and its streams, as if it were routed at `path`."""
    yield from _with_streams(Entry("", application, path=path))


def routes_of(application: Any) -> Any:
    """Return the list of a `SocketApplication` or a `URLRouter`; `None` for any other."""
    if isinstance(application, SocketApplication):
        return application.routes
    if type(application).__name__ == "URLRouter":
        return application.routes
    return None


def class_of(target: Any) -> Any:
    """Return the class that an ASGI application or `as_view()` was made from, or `None`."""
    for name in ("consumer_class", "view_class"):
        if inspect.isclass(found := getattr(target, name, None)):
            return found
    return target if inspect.isclass(target) else None


def _entries_of(routes: Any, outer: Outer) -> Iterator[Entry]:
    for entry in routes if outer.depth < MAX_DEPTH else ():
        if isinstance(entry, URLPattern | URLResolver):
            inner = entry.url_patterns if isinstance(entry, URLResolver) else None
            inner = routes_of(getattr(entry, "callback", None)) if inner is None else inner
            if inner is not None:
                yield from _entries_of(inner, _within_path(entry, outer))
            elif isinstance(entry, URLPattern):
                yield from _with_streams(_path_entry(entry, outer))
        elif isinstance(entry, Route):
            yield from _with_streams(_channel_entry(entry, outer))
        elif isinstance(entry, Include):
            yield from _entries_of(entry.routes, _within_include(entry, outer))


def _within_path(entry: URLPattern | URLResolver, outer: Outer) -> Outer:
    """Return what `entry` and the lists around it add to the entries of its own list."""
    pattern, text = entry.pattern, str(entry.pattern)
    names, args = _groups(entry)
    converters = {name: _converter(each) for name, each in pattern.converters.items()}
    return Outer(
        outer.kwargs | names,
        outer.args + args,
        outer.prefix + text,
        outer.path + (text if _is_route(entry) else _readable(text)),
        {**outer.converters, **dict.fromkeys(names, "str"), **converters},
        outer.depth + 1,
    )


def _within_include(entry: Include, outer: Outer) -> Outer:
    patterns = entry.prefixes.values()
    names = frozenset().union(*(pattern.groupindex for pattern in patterns))
    return outer._replace(
        kwargs=outer.kwargs | names,
        prefix=outer.prefix + "".join(pattern.pattern for pattern in patterns) or "include",
        path=outer.path + _readable_filter(entry.prefixes),
        converters={**outer.converters, **dict.fromkeys(names, "str")},
        depth=outer.depth + 1,
    )


def _path_entry(entry: URLPattern, outer: Outer) -> Entry:
    own = _within_path(entry, outer)
    return Entry(
        f"{'path' if _is_route(entry) else 're_path'}({own.prefix!r}, …)",
        entry.callback,
        own.kwargs | set(entry.default_args),
        own.args,
        None if outer.prefix else str(entry.pattern),
        path=_with_slash(own.path),
        converters=own.converters,
    )


def _channel_entry(entry: Route, outer: Outer) -> Entry:
    names = frozenset().union(*(filter.groupindex for filter in entry.filters.values()))
    pattern = entry.filters["path"].pattern if "path" in entry.filters else None
    return Entry(
        f"route(…, path={pattern!r})" if pattern else "route(…)",
        entry.consumer,
        outer.kwargs | names,
        0,
        None if outer.prefix else pattern,
        is_channel_route=not entry.is_application,
        path=_with_slash(outer.path + _readable_filter(entry.filters)),
        converters={**outer.converters, **dict.fromkeys(names, "str")},
        events=frozenset(entry.events),
    )


def _is_route(entry: URLPattern | URLResolver) -> bool:
    """Return whether the pattern of `entry` is that of `path()`, and no regular expression."""
    return hasattr(entry.pattern, "_route")


def _converter(converter: Any) -> str:
    """Return the name of a path converter as `path()` has it."""
    registered = {type(each): name for name, each in get_converters().items()}
    return registered.get(type(converter), "str")


def _readable_filter(filters: Mapping[str, re.Pattern[str]]) -> str:
    return _readable(filters["path"].pattern) if "path" in filters else ""


def _readable(pattern: str) -> str:
    """Return a regular expression as Django's admin shows it: `/rooms/<room>/`."""
    pattern = replace_named_groups(remove_non_capturing_groups(pattern))
    readable: str = replace_metacharacters(replace_unnamed_groups(pattern))
    return readable


def _with_slash(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


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
        yield entry._replace(
            text=text, target=stream, pattern=None, stream=name, multiplexer=entry.target
        )


def _attributes(application: Any) -> set[str]:
    return set(getattr(application, "__dict__", ()))
