"""Find what guards a Django view over HTTP, but not when its function is called directly."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import getclosurevars, isclass, isfunction
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from .site_urls import code_of, urls_of, wrapped_functions

__all__ = ["login_middleware", "middleware_not_run", "missing_decorators", "refuses"]

HARMLESS_MODULES = ("django.views.decorators.", "django.middleware.")
"""Decorators and middleware of Django that check no permission."""


def missing_decorators(view: Any) -> str | None:
    """Return an error if each URL of `view` guards it with a decorator that `view` itself lacks."""
    own = {code_of(function) for function in wrapped_functions(view)}
    route = None
    for url in urls_of(view):
        if not any(_guards(each) and code_of(each) not in own for each in url.decorators):
            return None
        route = url.route
    if route is None:
        return None
    return (
        f"The URL {route!r} decorates this view, but view_as_consumer() has the view without the "
        "decorator. Write view_as_consumer(login_required(view)), with the decorator of the URL."
    )


def login_middleware() -> Sequence[Callable[..., Any]]:
    """Return those classes in the setting `MIDDLEWARE` that let only users call a view."""
    return _login_middleware(tuple(settings.MIDDLEWARE))


def refuses(
    middleware: Sequence[Callable[..., Any]],
    request: HttpRequest,
    view: Callable[..., Any],
    kwargs: dict[str, Any],
) -> bool:
    """Return whether any of `middleware` refuses the call. For threads."""
    made = (each(lambda request: HttpResponse()) for each in middleware)
    return any(each.process_view(request, view, (), kwargs) is not None for each in made)


def middleware_not_run() -> list[str]:
    """Return the middleware that may refuse calls of a view, and is not run for frames."""
    honoured = login_middleware()
    return [
        name
        for name in settings.MIDDLEWARE
        if not name.startswith("django.")
        and (middleware := import_string(name)) not in honoured
        and _may_refuse(middleware)
    ]


def _may_refuse(middleware: Any) -> bool:
    """Return whether a middleware runs code of its own before a view."""
    if any(hasattr(middleware, name) for name in ("process_request", "process_view")):
        return True
    return not isclass(middleware) or middleware.__call__ is not MiddlewareMixin.__call__


@lru_cache(maxsize=4)
def _login_middleware(names: tuple[str, ...]) -> Sequence[Callable[..., Any]]:
    from django.contrib.auth.middleware import (  # noqa: PLC0415 - it needs ready apps
        LoginRequiredMiddleware,
    )

    found = map(import_string, names)
    return [
        each
        for each in found
        if isinstance(each, type) and issubclass(each, LoginRequiredMiddleware)
    ]


def _guards(decorator: Any) -> bool:
    """Return whether a decorator's function may refuse a request."""
    if not isfunction(decorator):
        return False
    module = decorator.__globals__.get("__name__", "")
    if module == "django.utils.decorators":  # a decorator that Django made of a middleware
        module = _middleware_module(decorator)
    return not f"{module}.".startswith(HARMLESS_MODULES)


def _middleware_module(decorator: Callable[..., Any]) -> str:
    """Return the module of the middleware that a decorator applies, which its parts refer to."""
    parts = [each for each in getclosurevars(decorator).nonlocals.values() if isfunction(each)]
    for part in parts:
        if (middleware := getclosurevars(part).nonlocals.get("middleware")) is not None:
            return type(middleware).__module__
    return ""
