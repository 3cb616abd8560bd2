"""The Django app: `"rest_channels"` in `INSTALLED_APPS`."""

from django.apps import AppConfig

__all__ = ["RestChannelsConfig"]


class RestChannelsConfig(AppConfig):
    """Serves the client and its translations."""

    name = "rest_channels"
    verbose_name = "REST Channels"
