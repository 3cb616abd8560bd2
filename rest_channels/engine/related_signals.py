"""Notice changes of rows that belong to users: their one-to-one rows, groups and so on.

A profile is noticed wherever it is saved, and so is what a foreign key of the user model refers to.
Any other row that refers to a user, such as each of its comments, is noticed if it may decide
whether the user stays logged in, or if a user of this process has loaded rows of its model. The
same holds for relations to many rows that other models have, such as the members of a team.
"""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from .account_rules import has_own_rules
from .publish import broadcast_command
from .revocation_index import recheck_related, recheck_users, watch_related
from .row_signals import ignores_saves, is_watched, revoke_at_commit

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
    relations: Any = user._meta.many_to_many
    own = {relation.remote_field.through for relation in relations}
    receiver = partial(_relation_changed, user, own)
    m2m_changed.connect(receiver, weak=False, dispatch_uid=UID)
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.models import Group  # noqa: PLC0415 - its app may be missing

        watch_related(Group)


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
    return _is_user(remote.model, user) and bool(field.target_field.primary_key)


def _row_changed(
    user: type[Model], fields: Iterable[Any], instance: Model, using: str, **kwargs: Any
) -> None:
    if not (is_watched(type(instance), "related") or has_own_rules(user)):
        fields = [field for field in fields if field.one_to_one]
    found = ((field, vars(instance).get(field.attname)) for field in fields)
    keys = {
        field.target_field.to_python(value)
        for field, value in found
        if value and not hasattr(value, "resolve_expression")  # F() has no value here
    }
    _recheck(using, recheck_users, keys)


def _relation_changed(
    user: type[Model],
    own: Collection[type[Model]],
    sender: type[Model],
    action: str,
    instance: Model,
    model: type[Model],
    pk_set: Collection[Any] | None,
    using: str,
    **kwargs: Any,
) -> None:
    """Notice that rows of a relation to many get or lose others, on both of its sides.

    `own` are the relations of the user model itself: groups, permissions and so on.
    """
    if not action.startswith("post_"):
        return
    sides = [(type(instance), [instance.pk]), (model, pk_set or ())]
    is_followed = sender in own or any(is_watched(side, "related") for side, _ in sides)
    for side, keys in sides:
        if not _is_user(side, user):
            if is_watched(side, "related"):
                concrete: Any = side._meta.concrete_model
                _recheck(using, recheck_related, keys, concrete._meta.label_lower)
        elif is_followed or has_own_rules(user):
            _recheck(using, recheck_users, keys)


def _is_user(model: type[Model], user: type[Model]) -> bool:
    return issubclass(model, user) or issubclass(user, model)


def _recheck(using: str, command: Any, keys: Iterable[Any], *args: Any) -> None:
    found = sorted(map(str, keys))
    if found and not ignores_saves.get():  # else it is the time at which a token was used last
        revoke_at_commit(using, broadcast_command, command, *args, found)
