"""Notice changed and deleted rows of models that are known only at run time."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

__all__ = ["ignores_saves", "watch_rows"]

ignores_saves: ContextVar[bool] = ContextVar("rest_channels_ignores_saves", default=False)
"""Whether the running code saves watched rows without a consequence."""


def watch_rows(model: type[Model], notify: Callable[[str, list[str]], Any]) -> None:
    """Call `notify(label, [primary key])` after each commit of a changed or deleted row.

    For a model that is watched already nothing changes.
    """

    def row_changed(instance: Model, using: str, created: bool = False, **kwargs: Any) -> None:
        if created or ignores_saves.get():
            return
        concrete: Any = instance._meta.concrete_model
        label, keys = concrete._meta.label_lower, [str(instance.pk)]
        transaction.on_commit(lambda: notify(label, keys), using=using, robust=True)

    for signal in (post_save, post_delete):
        signal.connect(row_changed, model, weak=False, dispatch_uid="rest_channels.rows")
