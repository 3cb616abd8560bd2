"""Notice changed and deleted rows of models that are known only at run time."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.db.transaction import TransactionManagementError

from .commit_hooks import Revocation

__all__ = ["after_commit", "ignores_saves", "is_watched", "revoke_at_commit", "watch_rows"]

ignores_saves: ContextVar[bool] = ContextVar("rest_channels_ignores_saves", default=False)
"""Whether the running code saves watched rows without a consequence."""

_watched: set[tuple[type[Model], str]] = set()


def watch_rows(model: type[Model], purpose: str, notify: Callable[[str, list[str]], Any]) -> None:
    """Call `notify(label, [primary key])` after each commit of a changed or deleted row.

    For a model that is watched for this purpose nothing changes. A row may be an instance of a
    proxy.
    """
    if is_watched(model, purpose):
        return
    concrete: Any = model._meta.concrete_model
    label = concrete._meta.label_lower

    def row_changed(instance: Model, using: str, created: bool = False, **kwargs: Any) -> None:
        if created or ignores_saves.get():
            return
        keys = [str(instance.pk)]
        revoke_at_commit(using, notify, label, keys)

    for each in (model, *apps.get_models()):
        if each._meta.concrete_model is concrete and not is_watched(each, purpose):
            _watched.add((each, purpose))
            for signal in (post_save, post_delete):
                uid = f"rest_channels.{purpose}"
                signal.connect(row_changed, each, weak=False, dispatch_uid=uid)


def after_commit(using: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call `function` after the commit, and never let it fail the code that saves.

    Without autocommit the time of the commit is unknown: then the heartbeat finds the change.
    """
    with suppress(TransactionManagementError):
        transaction.on_commit(partial(function, *args, **kwargs), using=using, robust=True)


def revoke_at_commit(using: str, publish: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call `publish` after the commit as `after_commit` does, before its writes are told."""
    with suppress(TransactionManagementError):
        revocation = Revocation(partial(publish, *args, **kwargs))
        revocation.add_to(transaction.get_connection(using))


def is_watched(model: type[Model], purpose: str) -> bool:
    """Return whether the rows of `model` are watched for this purpose."""
    return (model, purpose) in _watched
