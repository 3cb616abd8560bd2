"""System checks for `manage.py check`. docs/checks.md lists them all.

`SocketApplication` logs their messages when it is first used, where `check` has not run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured

from ..actions.view_guards import middleware_not_run, missing_decorators
from ..cluster.layer import configuration_error, crosses_processes
from ..declarations.names import nearest_name
from ..django_views import DjangoViewAsConsumer
from ..introspection.routes import project_applications, routes_of, socket_part
from ..protocol.patterns import slow_part
from ..routing.channel_routes import Include, Route
from ..settings import SETTING_NAME, Settings, api_settings
from .wiring import check_asgi_application, check_routes, check_runserver, check_urlconf

__all__ = [
    "check_asgi_application",
    "check_debug_errors",
    "check_drf_settings",
    "check_handshakes",
    "check_history",
    "check_layer",
    "check_layer_crosses_processes",
    "check_limits",
    "check_old_settings",
    "check_origins",
    "check_route_filters",
    "check_routes",
    "check_runserver",
    "check_server",
    "check_settings",
    "check_urlconf",
    "check_wrapped_views",
]

OLD_SETTINGS = "DJANGO_CHANNELS_REST_API"

LOW_LINE_LENGTH = 8_192
"""Bytes of a line of a handshake. The default of websockets, with which uvicorn reads them."""

LOW_NUM_HEADERS = 128
"""Headers of a handshake. The default of websockets."""


def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: `REST_CHANNELS` has an unknown key or a wrong value."""
    try:
        for name in vars(Settings):
            if name.isupper():
                getattr(api_settings, name)
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="rest_channels.E001")]
    return []


def check_old_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E010: settings are under the name of djangochannelsrestframework, or another wrong one."""
    names = [] if apps.is_installed("djangochannelsrestframework") else [OLD_SETTINGS]
    names += [name for name in dir(settings) if name != SETTING_NAME and _is_misnamed(name)]
    return [_unread_setting(each) for each in names if hasattr(settings, each)]


def _is_misnamed(name: str) -> bool:
    if hasattr(Settings, name.removeprefix(f"{SETTING_NAME}_")):
        return name.startswith(SETTING_NAME)
    return nearest_name(name.lower(), [SETTING_NAME]) is not None


def _unread_setting(name: str) -> CheckMessage:
    written, key = getattr(settings, name), name.removeprefix(f"{SETTING_NAME}_")
    message = f"The setting {name} has no effect."
    if hasattr(Settings, key):
        hint = f"Write {SETTING_NAME} = {{{key!r}: …}}."
    else:
        keys = ", ".join(map(repr, written)) if isinstance(written, Mapping) else ""
        hint = f"Rename it to {SETTING_NAME}, or move its keys there: {keys or 'it has none'}."
    return Error(message, hint, id="rest_channels.E010")


def check_drf_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W010: DRF has default classes that guard HTTP requests, and sockets have none."""
    drf, own = getattr(settings, "REST_FRAMEWORK", None), getattr(settings, "REST_CHANNELS", None)
    if not isinstance(drf, dict):
        return []
    keys = ("DEFAULT_PERMISSION_CLASSES", "DEFAULT_THROTTLE_CLASSES")
    return [
        Warning(
            f"REST_FRAMEWORK[{key!r}] does not apply to WebSockets, and REST_CHANNELS has no "
            f"{key!r}.",
            f"Set REST_CHANNELS[{key!r}]: to the same classes, or to those that sockets need.",
            id="rest_channels.W010",
        )
        for key in keys
        if drf.get(key) and not (isinstance(own, dict) and key in own)
    ]


def check_server(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W001: daphne is installed, which cannot limit the outbox."""
    message = (
        "daphne buffers every frame for a client that does not read, without a limit: "
        "REST_CHANNELS['OUTBOX_BYTES'] has no effect there."
    )
    hint = (
        "Serve with uvicorn --ws websockets-sansio. Silence this if daphne is only used for "
        "development."
    )
    warning = Warning(message, hint, id="rest_channels.W001")
    return [warning] if apps.is_installed("daphne") else []


def check_handshakes(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """I001, with `--deploy`: uvicorn leaves handshakes with long lines without an answer.

    It is no warning: the server may have another environment, or a proxy before it.
    """
    try:
        from uvicorn.protocols.websockets import websockets_sansio_impl  # noqa: F401, PLC0415
        from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS  # noqa: PLC0415
    except (ImportError, ValueError):  # another server or release, or a limit that is no number
        return []
    message = (
        f"uvicorn does not answer a handshake with a line of more than {MAX_LINE_LENGTH} bytes, "
        f"such as a long cookie, or with more than {MAX_NUM_HEADERS} headers. The page never "
        "connects, although uvicorn logs that it has sent a response."
    )
    hint = (
        "Set WEBSOCKETS_MAX_LINE_LENGTH=1048576 and WEBSOCKETS_MAX_NUM_HEADERS=100000 in the "
        "environment of the server. Silence this if it has them, or if a proxy refuses such "
        "handshakes. Only a proxy can close those that are never completed."
    )
    is_low = MAX_LINE_LENGTH <= LOW_LINE_LENGTH or MAX_NUM_HEADERS <= LOW_NUM_HEADERS
    return [Info(message, hint, id="rest_channels.I001")] if is_low else []


def check_layer(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: `CHANNEL_LAYERS` does not name a channel layer."""
    hint = "channels_redis.pubsub and channels_redis.core: pip install channels-redis."
    message = configuration_error()
    return [Error(message, hint, id="rest_channels.E002")] if message else []


def check_layer_crosses_processes(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W003: no channel layer connects the processes."""
    message = (
        "No channel layer reaches other processes: messages to a group, and changes of rows that a "
        "shell, a task or another server process saves, reach no connection of this process."
    )
    hint = (
        "Set CHANNEL_LAYERS to a layer of channels-redis. Silence this if there is one server "
        "process, and no other process sends or saves."
    )
    warning = Warning(message, hint, id="rest_channels.W003")
    return [] if check_layer(None) or crosses_processes() else [warning]


def check_history(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E013: `HISTORY` names a store that the other settings do not allow."""
    try:
        if api_settings.HISTORY is None or check_layer(None):
            return []
    except ImproperlyConfigured:  # E001 reports it
        return []
    from ..history.stores import configuration_error as history_error  # noqa: PLC0415

    message = history_error()
    return [Error(message, id="rest_channels.E013")] if message else []


def check_debug_errors(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W002, with `--deploy`: clients receive tracebacks."""
    try:
        shown = api_settings.DEBUG_ERRORS
    except ImproperlyConfigured:  # E001 reports it
        return []
    message = "Error frames show tracebacks to clients."
    hint = "Set DEBUG = False, or REST_CHANNELS = {'DEBUG_ERRORS': False}."
    return [Warning(message, hint, id="rest_channels.W002")] if shown else []


def check_limits(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W013: a frame may be so large that another limit always closes its client."""
    try:
        largest = api_settings.MAX_FRAME_SIZE
        smaller = {"INBOX_BYTES": api_settings.INBOX_BYTES}
        if api_settings.BYTE_RATE is not None:
            smaller["BYTE_BURST"] = api_settings.BYTE_BURST
    except (ImproperlyConfigured, ImportError):  # E001 reports it
        return []
    hint = "Raise it to MAX_FRAME_SIZE at least, or lower MAX_FRAME_SIZE."
    return [
        Warning(
            f"REST_CHANNELS[{name!r}] is smaller than MAX_FRAME_SIZE: a client that sends a frame "
            "between the two is closed with 4429.",
            hint,
            id="rest_channels.W013",
        )
        for name, limit in smaller.items()
        if largest is not None and limit < largest
    ]


def check_origins(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E012: `ALLOWED_ORIGINS` has something that is no origin, and so allows no page."""
    try:
        origins = api_settings.ALLOWED_ORIGINS
    except ImproperlyConfigured:  # E001 reports it
        return []
    return [
        Error(
            f"REST_CHANNELS['ALLOWED_ORIGINS'] has {item!r}, which is no origin of any page.",
            f"Write {origin!r}, with a scheme and without a path.",
            id="rest_channels.E012",
        )
        for item in origins
        if (origin := _correct_origin(str(item))) is not None
    ]


def _correct_origin(text: str) -> str | None:
    """Return what to write instead of `text`, or `None` if it is an origin."""
    scheme, separator, rest = text.rpartition("://")
    host = rest.lstrip("/").partition("/")[0]
    if text == "*" or (scheme and separator and host and host == rest):
        return None
    return f"{scheme or 'https'}://{'*' * host.startswith('.')}{host or 'example.com'}"


def check_wrapped_views(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E011, W011: `view_as_consumer` leaves out what guards a view over HTTP."""
    _site_routes()  # imports the consumers
    wrapped = [each for each in DjangoViewAsConsumer.__subclasses__() if hasattr(each, "view")]
    found = ((each, missing_decorators(each.view)) for each in wrapped)
    messages: list[CheckMessage] = [
        Error(text, obj=each, id="rest_channels.E011") for each, text in found if text
    ]
    if wrapped and (names := middleware_not_run()):
        text = (
            f"view_as_consumer() runs no middleware, so {', '.join(names)} cannot refuse a frame."
        )
        hint = "Check in the view what it checks. Silence this if it decides nothing."
        messages.append(Warning(text, hint, id="rest_channels.W011"))
    return messages


def check_route_filters(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W012: a filter of `route()`, `route_class()` or `include()` is slow for some texts."""
    hint = "Use one quantifier, such as [a-z_]+."
    return [
        Warning(
            f"The filter {key}={pattern.pattern!r} has {reason}. A client can send a text that "
            "takes very long to match.",
            hint,
            id="rest_channels.W012",
        )
        for key, pattern in _filters(_site_routes())
        if (reason := slow_part(pattern)) is not None
    ]


def _site_routes() -> list[Any]:
    """Return the routes of the site's applications, imported."""
    try:
        found = (routes_of(socket_part(each)) for each in project_applications())
        return [entry for routes in found for entry in routes or ()]
    except Exception:  # noqa: BLE001 - E020 reports it
        return []


def _filters(routes: Sequence[Any]) -> Iterator[tuple[str, re.Pattern[str]]]:
    for entry in routes:
        if isinstance(entry, Route):
            yield from entry.filters.items()
        elif isinstance(entry, Include):
            yield from entry.prefixes.items()
            yield from _filters(entry.routes)
