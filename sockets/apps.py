"""The Django app: `"sockets"` in `INSTALLED_APPS`, after `"django.contrib.sessions"`."""

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

__all__ = ["SocketsConfig"]


class SocketsConfig(AppConfig):
    """The app with the models, their admin, the management commands and the system checks."""

    name = "sockets"
    verbose_name = _("Sockets")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, cleanup, operations  # noqa: PLC0415 - they need the models

        register(checks.check_patterns, "sockets")
        register(checks.check_routers, "sockets")
        cleanup.connect_signals()
        operations.register()
