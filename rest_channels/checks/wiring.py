"""Checks of what leads from a server to a class: the settings, and each entry of the routes."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import URLPattern, URLResolver, get_resolver
from django.views import View

from ..introspection.routes import (
    Entry,
    class_of,
    entries,
    project_applications,
    socket_part,
)
from ..routing.first_use import first_use
from ..socket_consumer import SocketConsumer
from ..views import SocketView
from .classes import class_messages, takes

__all__ = ["check_asgi_application", "check_routes", "check_runserver", "check_urlconf"]


def check_asgi_application(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W020, W021, E020: what `ASGI_APPLICATION` names."""
    first_use.checked = True
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        message = "ASGI_APPLICATION is not set: runserver serves no sockets. No route is checked."
        hint = "Set ASGI_APPLICATION = 'mysite.asgi.application', which is a SocketApplication."
        return [Warning(message, hint, id="rest_channels.W020")]
    try:
        applications = project_applications()
        for application in applications:
            list(entries(application))
    except Exception as error:  # noqa: BLE001 - a project's modules may raise anything
        kind = type(error).__name__
        message = f"The routes of ASGI_APPLICATION = {dotted!r} cannot be used: {kind}: {error}"
        return [Error(message, _import_hint(error), id="rest_channels.E020")]
    if _serves_no_sockets(applications[0]):
        message = f"ASGI_APPLICATION = {dotted!r} serves no sockets."
        hint = "application = SocketApplication('mysite.live', http=get_asgi_application())"
        return [Warning(message, hint, id="rest_channels.W021")]
    return []


def _import_hint(error: Exception) -> str | None:
    if "INSTALLED_APPS" in str(error) and "sockets." in str(error):
        return "Add 'sockets' to INSTALLED_APPS."
    if "view must be a callable" in str(error):
        return "Write path('…', View.as_asgi()), and table.as_asgi() for a SocketRouter."
    return None


def _serves_no_sockets(application: Any) -> bool:
    part = socket_part(application)
    return part is None or isinstance(part, ASGIHandler | WSGIHandler)


def check_runserver(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W022: Django's own `runserver` serves no sockets."""
    is_development = settings.DEBUG or sys.argv[1:2] == ["runserver"]
    if not is_development or apps.is_installed("daphne"):
        return []
    message = "Django's own runserver serves no sockets: a handshake is answered as a page."
    hint = (
        "Install daphne and put 'daphne' first in INSTALLED_APPS, or run uvicorn in development "
        "too. Silence this if you do."
    )
    return [Warning(message, hint, id="rest_channels.W022")]


def check_routes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E021 to E027, W023, W024: entries of the routes, and the classes they lead to."""
    try:
        found = [entry for application in project_applications() for entry in entries(application)]
    except Exception:  # noqa: BLE001 - E020 reports it
        return []
    messages = [message for entry in found for message in _entry_messages(entry)]
    return [*messages, *_duplicates(found), *class_messages(found)]


def check_urlconf(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E028: `urls.py` has a socket, which serves no pages."""
    try:
        found = list(_url_patterns(get_resolver().url_patterns))
    except Exception:  # noqa: BLE001 - Django's own checks report it
        return []
    hint = "Move it into the routes of the SocketApplication."
    return [
        Error(f"A path in urls.py has {served}: {entry.pattern}", hint, id="rest_channels.E028")
        for entry in found
        if (served := _socket_in(entry.callback)) is not None
    ]


def _url_patterns(entries: Iterable[Any]) -> Iterator[URLPattern]:
    for entry in entries:
        if isinstance(entry, URLResolver):
            yield from _url_patterns(entry.url_patterns)
        else:
            yield entry


def _socket_in(callback: Any) -> str | None:
    """Return what `callback` is, if it serves sockets."""
    cls = class_of(callback)
    is_socket = inspect.isclass(cls) and issubclass(cls, SocketView | SocketConsumer)
    return f"the socket {cls.__name__}" if is_socket else None


def _entry_messages(entry: Entry) -> Iterator[CheckMessage]:
    yield from _slash_messages(entry)
    yield from _syntax_messages(entry)
    app = getattr(entry.target, "required_app", None)
    if app and not apps.is_installed(app):
        hint = f"Add {app!r} to INSTALLED_APPS, and run manage.py migrate."
        yield Error(f"{entry.text} needs the app {app!r}.", hint, id="rest_channels.E026")
    if not entry.is_channel_route:
        yield from _target_messages(entry)


def _slash_messages(entry: Entry) -> Iterator[CheckMessage]:
    pattern = entry.pattern
    if pattern is None:
        return
    start = pattern.removeprefix("^")
    if entry.text.startswith(("path(", "re_path(")):
        if start.startswith("/"):
            message = f"{entry.text} matches no path: it begins with a slash."
            hint = "Leave the first slash out, as in urls.py."
            yield Error(message, hint, id="rest_channels.E024")
    elif start[:1].isalnum():
        message = f"{entry.text} matches no path: these patterns match the path with its slash."
        yield Error(message, f"Write path=r'^/{start}'.", id="rest_channels.E024")


def _syntax_messages(entry: Entry) -> Iterator[CheckMessage]:
    """Check that `path()` has no regular expression, and `re_path()` no converter."""
    pattern = entry.pattern or ""
    if entry.text.startswith("path(") and _REGEX.search(pattern):
        message = f"{entry.text} matches no path: it has a regular expression."
        hint = f"Write re_path({pattern!r}, …), or a converter: path('x/<int:pk>/', …)."
        yield Error(message, hint, id="rest_channels.E024")
    elif entry.text.startswith("re_path(") and _CONVERTER.search(pattern):
        message = f"{entry.text} matches no path: only path() has converters."
        yield Error(message, f"Write path({pattern!r}, …).", id="rest_channels.E024")


_REGEX = re.compile(r"\(\?P<|^\^|\$$")
_CONVERTER = re.compile(r"(?<!\?P)<[a-z]+:[a-z_]+>")


def _target_messages(entry: Entry) -> Iterator[CheckMessage]:
    """Check that the target of `path()` is an ASGI application."""
    target, text = entry.target, entry.text
    if inspect.isclass(target):
        name = target.__name__
        call = "as_asgi()" if hasattr(target, "as_asgi") else None
        hint = f"Write {name}.as_asgi()." if call else f"Write view_as_consumer({name})."
        message = f"{text} has the class {name}, not an ASGI application."
        yield Error(message, hint, id="rest_channels.E021")
    elif (view := _http_view(target)) is not None:
        name = view.__name__
        if issubclass(view, SocketView):
            hint = f"Write {name}.as_asgi(). Only route(…) takes {name}.as_view()."
        else:
            hint = f"Put it into urls.py. For frames write view_as_consumer({name})."
        message = f"{text} has {name}.as_view(), which is called with requests."
        yield Error(message, hint, id="rest_channels.E022")
    elif isinstance(target, SocketView | SocketConsumer):
        name = type(target).__name__
        message = f"{text} has an instance of {name}, which all connections would share."
        yield Error(message, f"Write {name}.as_asgi().", id="rest_channels.E023")
    elif not takes(target, 3, ()):
        message = f"{text} has {_name(target)}, which does not take (scope, receive, send)."
        hint = "Use an ASGI application, such as View.as_asgi(). Pages belong into urls.py."
        yield Error(message, hint, id="rest_channels.E023")


def _http_view(target: Any) -> Any:
    """Return the class whose `as_view()` made `target`, or `None`."""
    for name in ("view_class", "cls"):
        found = getattr(target, name, None)
        is_view = inspect.isclass(found) and issubclass(found, View)
        if is_view or (inspect.isclass(found) and hasattr(target, "view_initkwargs")):
            return found
    return None


def _name(target: Any) -> str:
    return str(getattr(target, "__qualname__", None) or repr(target))


def _duplicates(found: Iterable[Entry]) -> Iterator[CheckMessage]:
    """W023: the first of two entries with one pattern serves all connections."""
    seen: dict[str, Entry] = {}
    for entry in found:
        if entry.is_channel_route or entry.text.startswith(("route", "the stream")):
            continue
        if (first := seen.setdefault(entry.text, entry)) is not entry:
            served = _name(class_of(first.target) or first.target)
            message = f"{entry.text} is there twice. Only the first one, {served}, is used."
            hint = "Give each its own path."
            yield Warning(message, hint, id="rest_channels.W023")
