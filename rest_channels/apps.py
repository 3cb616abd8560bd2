"""The Django app: `"rest_channels"` in `INSTALLED_APPS`."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules

__all__ = ["RestChannelsConfig"]

TAG = "rest_channels"


class RestChannelsConfig(AppConfig):
    """Serves the client and its translations, and registers the system checks."""

    name = "rest_channels"
    verbose_name = "REST Channels"

    def ready(self) -> None:
        """Register the checks, connect the signals of sessions and users, import all consumers."""
        from . import checks, revocation  # noqa: PLC0415 - settings are complete only now

        register(checks.check_settings, TAG)
        register(checks.check_layer, TAG)
        register(checks.check_layer_crosses_processes, TAG)
        register(checks.check_history, TAG)
        register(checks.check_limits, TAG)
        register(checks.check_origins, TAG)
        register(checks.check_asgi_application, TAG)
        register(checks.check_routes, TAG)
        register(checks.check_urlconf, TAG)
        register(checks.check_route_filters, TAG)
        register(checks.check_runserver, TAG)
        register(checks.check_old_settings, TAG)
        register(checks.check_drf_settings, TAG)
        register(checks.check_wrapped_views, TAG)
        register(checks.check_server, deploy=True)
        register(checks.check_handshakes, deploy=True)
        register(checks.check_debug_errors, Tags.security, deploy=True)
        revocation.connect_signals()  # before consumers: a commit is told to their clients later
        autodiscover_modules("consumers")  # every process publishes changes to their observers
        revocation.watch_token_models()  # after it: consumers name the models of their tokens
