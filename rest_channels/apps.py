"""The Django app: `"rest_channels"` in `INSTALLED_APPS`."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules

__all__ = ["RestChannelsConfig"]


class RestChannelsConfig(AppConfig):
    """Serves the client and its translations, and registers the system checks."""

    name = "rest_channels"
    verbose_name = "REST Channels"

    def ready(self) -> None:
        """Register the checks, connect the signals of sessions and users, import all consumers."""
        from . import checks, revocation  # noqa: PLC0415 - settings are complete only now

        register(checks.check_settings)
        register(checks.check_old_settings)
        register(checks.check_drf_settings)
        register(checks.check_layer)
        register(checks.check_limits)
        register(checks.check_wrapped_views, Tags.security)
        register(checks.check_route_filters, Tags.security)
        register(checks.check_server, deploy=True)
        register(checks.check_layer_crosses_processes, deploy=True)
        register(checks.check_debug_errors, Tags.security, deploy=True)
        autodiscover_modules("consumers")  # every process publishes changes to their observers
        revocation.connect_signals()  # after it: consumers name the models of their tokens
