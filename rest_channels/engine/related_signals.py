"""Notice changes of rows that belong to users: their one-to-one rows, groups and so on.

A profile is noticed wherever it is saved, and so is what a foreign key of the user model refers to.
Any other row that refers to a user, such as each of its comments, is noticed if it may decide
whether the user stays logged in, or if a user of this process has loaded rows of its model.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from .account_rules import has_own_rules
from .publish import broadcast_command
from .revocation_index import recheck_related, recheck_users, watch_related
from .row_signals import ignores_saves, is_watched

__all__ = ["connect_related"]

UID = "rest_channels.users"

OTHER_APPS = frozenset({"admin", "sessions", "sockets"})
"""Apps whose rows refer to users, and say nothing about them."""


def connect_related(user: type[Model]) -> None:
    """Connect to the signals of the models that are related to the user model."""
    for model in apps.get_models():
        if model._meta.app_label not in OTHER_APPS:
            _connect_rows(model, user)
    for field in user._meta.concrete_fields:
        remote = field.remote_field
        if remote is not None and not remote.parent_link and remote.model is not user:
            watch_related(remote.model)
    for relation in user._meta.many_to_many:
        through: Any = relation.remote_field.through
        receiver = partial(_user_relation_changed, user)
        m2m_changed.connect(receiver, through, weak=False, dispatch_uid=UID)
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.models import Group  # noqa: PLC0415 - its app may be missing

        watch_related(Group)
        through = Group.permissions.through
        m2m_changed.connect(_group_changed, through, weak=False, dispatch_uid=UID)


def _connect_rows(model: type[Model], user: type[Model]) -> None:
    fields = [field for field in model._meta.concrete_fields if _refers_to(field, user)]
    receiver = partial(_row_changed, user, fields)
    for signal in (post_save, post_delete) if fields else ():
        signal.connect(receiver, model, weak=False, dispatch_uid=UID)


def _refers_to(field: Any, user: type[Model]) -> bool:
    """Return whether the value of `field` is the key of a user."""
    remote = field.remote_field
    if remote is None or remote.parent_link or not isinstance(remote.model, type):
        return False
    is_user = issubclass(remote.model, user) or issubclass(user, remote.model)
    return is_user and bool(field.target_field.primary_key)


def _row_changed(
    user: type[Model], fields: Iterable[Any], instance: Model, using: str, **kwargs: Any
) -> None:
    if not (is_watched(type(instance), "related") or has_own_rules(user)):
        fields = [field for field in fields if field.one_to_one]
    values = {field: vars(instance).get(field.attname) for field in fields}
    keys = {str(field.target_field.to_python(value)) for field, value in values.items() if value}
    _on_commit(using, recheck_users, sorted(keys))


def _user_relation_changed(
    user: type[Model], action: str, instance: Model, using: str, pk_set: Any, **kwargs: Any
) -> None:
    """Notice that users get or lose groups, permissions and so on."""
    if not action.startswith("post_"):
        return
    if isinstance(instance, user):
        _on_commit(using, recheck_users, [str(instance.pk)])
    elif pk_set is not None:
        _on_commit(using, recheck_users, [str(key) for key in pk_set])
    else:
        _group_changed(action, instance, using)


def _group_changed(action: str, instance: Model, using: str, **kwargs: Any) -> None:
    """Notice that a group gets or loses permissions, or all of its users."""
    if action.startswith("post_"):
        label = instance._meta.concrete_model._meta.label_lower  # type: ignore[union-attr]
        _on_commit(using, recheck_related, label, [str(instance.pk)])


def _on_commit(using: str, command: Any, *args: Any) -> None:
    if args[-1] and not ignores_saves.get():
        send = partial(broadcast_command, command, *args)
        transaction.on_commit(send, using=using, robust=True)
