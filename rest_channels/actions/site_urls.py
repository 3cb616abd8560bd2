"""Find the URLs at which the site serves a view: what they capture, and how they decorate it."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from inspect import getclosurevars, isfunction
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import URLResolver, get_resolver

from ..protocol.patterns import certain_groups

__all__ = ["SiteURL", "code_of", "urls_of", "view_class_of", "wrapped_functions"]

AS_VIEW = "as_view.<locals>.view"  # the function that Django's and DRF's `as_view()` create


class SiteURL(NamedTuple):
    """One URL of a view."""

    route: str
    captures: frozenset[str]
    """The names of the arguments that the path captures."""
    fixed: dict[str, Any]
    """The arguments that the URL conf gives to the view itself."""
    certain: frozenset[str] = frozenset()
    """Those names that each path has. An optional group captures nothing in some."""
    decorators: tuple[Callable[..., Any], ...] = ()
    """The functions around the view, from the outside to the inside."""


def urls_of(view: Any) -> list[SiteURL]:
    """Return the URLs below `ROOT_URLCONF` that lead to `view`, a function or a class."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    index = _index(get_resolver())
    return [url for key in _keys(view) for url in index.get(id(key), ())]


def view_class_of(view: Any) -> Any:
    """Return the class behind the result of `as_view()`, decorated or not; `None` for others."""
    return next((key for key in _keys(view) if isinstance(key, type)), None)


@lru_cache(maxsize=4)
def _index(resolver: URLResolver) -> dict[int, list[SiteURL]]:
    """Return the URLs by the `id()` of each function and class that they lead to."""
    index: dict[int, list[SiteURL]] = {}
    for url, callback in _urls(resolver, SiteURL("", frozenset(), {})):
        for view, decorators in _views_in(callback, ()):
            index.setdefault(id(view), []).append(url._replace(decorators=decorators))
    return index


def _urls(resolver: Any, outer: SiteURL) -> Iterator[tuple[SiteURL, Any]]:
    """Yield the URLs of `resolver`, which is at the URL `outer`, with what they call."""
    for entry in resolver.url_patterns:
        is_resolver = isinstance(entry, URLResolver)
        fixed = {**outer.fixed, **(entry.default_kwargs if is_resolver else entry.default_args)}
        regex = entry.pattern.regex
        captures = outer.captures.union(regex.groupindex).difference(fixed)
        certain = outer.certain.union(certain_groups(regex)).difference(fixed)
        url = SiteURL(outer.route + str(entry.pattern), captures, fixed, certain)
        if is_resolver:
            yield from _urls(entry, url)
        else:
            yield url, entry.callback


def _views_in(callback: Any, outer: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield `callback` and every function that it wraps, each with the functions around it."""
    if (cls := _class_of(callback)) is not None:
        yield cls, outer
        return
    yield callback, outer
    for inner in _wrapped_by(callback):
        if inner not in outer:
            yield from _views_in(inner, (*outer, callback))


def _wrapped_by(callback: Any) -> list[Any]:
    """Return the functions that a decorator's function may call: a decorator may lack `wraps`."""
    if isinstance(callback, partial):
        return [callback.func]
    if (inner := getattr(callback, "__wrapped__", None)) is not None:
        return [inner]
    if not isfunction(callback) or not callback.__closure__:
        return []
    return [value for value in getclosurevars(callback).nonlocals.values() if isfunction(value)]


def wrapped_functions(view: Any) -> Iterator[Any]:
    """Yield `view`, and from the outside to the inside what its decorators wrap."""
    while view is not None:
        yield view
        view = None if _class_of(view) is not None else getattr(view, "__wrapped__", None)


def _keys(view: Any) -> Iterator[Any]:
    for function in wrapped_functions(view):
        yield _class_of(function) or function


def _class_of(function: Any) -> Any:
    """Return the view class of a function that `as_view()` created, else `None`."""
    code = code_of(function)
    if code is None or not code.co_qualname.endswith(AS_VIEW):
        return None
    return getattr(function, "cls", None) or getattr(function, "view_class", None)


def code_of(function: Any) -> Any:
    """Return the code of a function, which is the same for all functions of one decorator."""
    return getattr(function, "__code__", None)
