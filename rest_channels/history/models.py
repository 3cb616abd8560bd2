"""The tables of the database store."""

from django.db import models

__all__ = ["HistoryGroup", "HistoryMessage"]


class HistoryGroup(models.Model):
    """The counter of a group. A transaction that appends locks it until its end."""

    name = models.CharField(max_length=99, unique=True)
    """The name in the channel layer."""
    epoch = models.CharField(max_length=40)
    last_offset = models.BigIntegerField(default=0)
    writers = models.TextField(default="{}")
    """JSON: writer → its last number, the offset of that message, and the time in seconds.

    A `JSONField` would let `manage.py check` query the database.
    """
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        # Not from the module's name: without this app, the models would belong to "rest_channels".
        app_label = "rest_channels_history"

    def __str__(self) -> str:
        return self.name


class HistoryMessage(models.Model):
    """A message of a group."""

    group = models.ForeignKey(HistoryGroup, models.CASCADE, related_name="messages", db_index=False)
    offset = models.BigIntegerField()
    text = models.TextField()
    writer = models.CharField(max_length=40, blank=True)
    number = models.BigIntegerField(default=0)
    """The writer's number; 0 for a message of a transaction, which is never repeated."""
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "rest_channels_history"
        constraints = (
            models.UniqueConstraint(
                fields=["group", "offset"], name="rest_channels_history_offset"
            ),
        )

    def __str__(self) -> str:
        return f"{self.group_id}.{self.offset}"
