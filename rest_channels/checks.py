"""System checks: what `manage.py check` finds before a user does."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from .cluster.layer import configuration_error, crosses_processes
from .settings import Settings, api_settings

__all__ = ["check_debug_errors", "check_layer", "check_reach", "check_server", "check_settings"]


def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: `REST_CHANNELS` has an unknown key, or names what cannot be imported."""
    try:
        for name in vars(Settings):
            if name.isupper():
                getattr(api_settings, name)
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="rest_channels.E001")]
    return []


def check_server(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W001: on daphne the outbox cannot be bounded."""
    if not apps.is_installed("daphne"):
        return []
    return [
        Warning(
            "daphne takes whatever it is sent, so a client that does not read fills its memory: "
            "REST_CHANNELS['OUTBOX_BYTES'] bounds nothing there.",
            hint="Serve with uvicorn --ws websockets-sansio; for development this may be silenced.",
            id="rest_channels.W001",
        )
    ]


def check_layer(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """E002: `CHANNEL_LAYERS` names no layer."""
    if why := configuration_error():
        return [
            Error(
                why,
                hint="pip install channels-redis brings channels_redis.pubsub and .core.",
                id="rest_channels.E002",
            )
        ]
    return []


def check_reach(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W003, with `--deploy`: processes do not hear each other."""
    if check_layer(None) or crosses_processes():
        return []
    return [
        Warning(
            "No channel layer reaches other processes: what is said to a group is heard by "
            "connections of the same process only.",
            hint="Set CHANNEL_LAYERS to a layer of channels-redis. With one server process, and "
            "nobody else who speaks to groups, this may be silenced.",
            id="rest_channels.W003",
        )
    ]


def check_debug_errors(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """W002, with `--deploy`: clients are shown tracebacks."""
    try:
        shown = api_settings.DEBUG_ERRORS
    except ImproperlyConfigured:  # E001 says why
        return []
    if not shown:
        return []
    return [
        Warning(
            "Error frames carry tracebacks to whoever causes an error.",
            hint="Set DEBUG = False, or REST_CHANNELS = {'DEBUG_ERRORS': False}.",
            id="rest_channels.W002",
        )
    ]
