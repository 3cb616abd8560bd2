"""REST Channels: class-based Django views and consumers for WebSockets."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

__version__ = "0.1.0"


def _check_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E027: a project imports this package, but has not installed its app."""
    from django.apps import apps  # noqa: PLC0415 - it is not ready yet

    if any(config.name == "rest_channels" for config in apps.get_app_configs()):
        return []
    message = "'rest_channels' is missing from INSTALLED_APPS."
    hint = "Add it. It registers the checks, revocation and observers, and serves client.js."
    return [Error(message, hint, id="rest_channels.E027")]


register(_check_installed, "rest_channels")
