"""Notice deleted rows of models that are known only at run time."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete

__all__ = ["watch_deletions"]


def watch_deletions(model: type[Model], notify: Callable[[str, list[str]], Any]) -> None:
    """Call `notify(label, [primary key])` after the commit that deletes a row of `model`.

    For a model that is watched already nothing changes.
    """

    def row_deleted(instance: Model, using: str, **kwargs: Any) -> None:
        concrete: Any = instance._meta.concrete_model
        label, keys = concrete._meta.label_lower, [str(instance.pk)]

        def call() -> None:
            notify(label, keys)

        transaction.on_commit(call, using=using, robust=True)

    post_delete.connect(row_deleted, model, weak=False, dispatch_uid="rest_channels.deletions")
