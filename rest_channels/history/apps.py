"""The Django app `"rest_channels.history"`: the tables of `HISTORY = "database"`."""

from django.apps import AppConfig

__all__ = ["HistoryConfig"]


class HistoryConfig(AppConfig):
    """Has the models and their migrations."""

    name = "rest_channels.history"
    label = "rest_channels_history"
    verbose_name = "REST Channels: history of groups"
    default_auto_field = "django.db.models.BigAutoField"
