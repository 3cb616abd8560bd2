"""Find the URLs at which the site serves a view: what they capture, and how they decorate it."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from inspect import getclosurevars, isfunction
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import URLResolver, get_resolver

__all__ = ["SiteURL", "missing_decorators", "urls_of", "view_class_of"]

HARMLESS_MODULES = ("django.views.decorators.", "django.middleware.")
"""Decorators and middleware of Django that do not decide who may call a view."""

AS_VIEW = "as_view.<locals>.view"  # the function that Django's and DRF's `as_view()` create


class SiteURL(NamedTuple):
    """One URL of a view."""

    route: str
    captures: frozenset[str]
    """The names of the arguments that the path captures."""
    decorators: tuple[Callable[..., Any], ...]
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


def missing_decorators(view: Any) -> str | None:
    """Return an error if each URL of `view` guards it with a decorator that `view` itself lacks."""
    own = {_code(function) for function in _chain(view)}
    urls = urls_of(view)
    for url in urls:
        missing = [each for each in url.decorators if _guards(each) and _code(each) not in own]
        if not missing:
            return None
    if not urls:
        return None
    return (
        f"The URL {url.route!r} decorates this view, and view_as_consumer() was given the view "
        "without the decorator. Give it the decorated view: view_as_consumer(login_required(view))."
    )


@lru_cache(maxsize=4)
def _index(resolver: URLResolver) -> dict[int, list[SiteURL]]:
    """Return the URLs by the `id()` of each function and class that they lead to."""
    index: dict[int, list[SiteURL]] = {}
    for route, captures, callback in _patterns(resolver, "", frozenset()):
        for view, decorators in _views_in(callback, ()):
            index.setdefault(id(view), []).append(SiteURL(route, captures, decorators))
    return index


def _patterns(
    resolver: Any, route: str, captures: frozenset[str]
) -> Iterator[tuple[str, frozenset[str], Any]]:
    for entry in resolver.url_patterns:
        names = captures.union(entry.pattern.regex.groupindex)
        path = route + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, path, names.difference(entry.default_kwargs))
        else:
            yield path, names.difference(entry.default_args), entry.callback


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


def _chain(view: Any) -> Iterator[Any]:
    """Yield `view` and what it wraps, as its decorators tell."""
    while view is not None:
        yield view
        view = None if _class_of(view) is not None else getattr(view, "__wrapped__", None)


def _keys(view: Any) -> Iterator[Any]:
    for function in _chain(view):
        yield _class_of(function) or function


def _class_of(function: Any) -> Any:
    """Return the view class of a function that `as_view()` created, else `None`."""
    code = _code(function)
    if code is None or not code.co_qualname.endswith(AS_VIEW):
        return None
    return getattr(function, "cls", None) or getattr(function, "view_class", None)


def _code(function: Any) -> Any:
    return getattr(function, "__code__", None)


def _guards(decorator: Any) -> bool:
    """Return whether a decorator's function may refuse a request."""
    if not isfunction(decorator):
        return False
    module = decorator.__globals__.get("__name__", "")
    if module == "django.utils.decorators":  # a decorator that Django made of a middleware
        middleware = getclosurevars(decorator).nonlocals.get("middleware")
        module = type(middleware).__module__
    return not f"{module}.".startswith(HARMLESS_MODULES)
