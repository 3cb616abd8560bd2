"""Foreign keys to rows of other apps, which may be missing or in another database.

When a row is deleted, Django queries the tables that refer to it, in the database of that row. A
login deletes a session: it would fail where the table of sockets is in another database, or does
not exist yet. Here such a table is left out. `cleanup` deletes the rows in another database.
"""

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, models, router, transaction
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from rest_channels.client_logs import log_for_client
from rest_channels.partitions import changed_partition
from rest_channels.settings import api_settings

__all__ = ["OptionalForeignKey", "deleting_partition", "is_home", "share_database"]

logger = logging.getLogger("sockets")

if TYPE_CHECKING:
    ForeignKey = models.ForeignKey[Any, Any]
    Descriptor = ForwardManyToOneDescriptor[Any]
else:
    ForeignKey = models.ForeignKey
    Descriptor = ForwardManyToOneDescriptor


def share_database(*models: Any) -> bool:
    """Return whether the tables of `models` are in one database, so that a query can join them."""
    return len({router.db_for_write(model) for model in models}) == 1


def is_home(model: Any, using: str) -> bool:
    """Return whether `using` is the database that `model` is written to."""
    return router.db_for_write(model) == using


def deleting_partition(name: str, using: str) -> str | None:
    """Return the partition of the rows whose user or session is deleted, or `None` for all.

    A user of another partition may have the same key. If it is the same user, the rows are deleted
    when their connections are closed. No two sessions have the same key.

    Args:
        name: The foreign key, `"user"` or `"session"`.
        using: The database in which the running code deletes.
    """
    if name != "user" or api_settings.PARTITION is None:
        return None
    return changed_partition(using)


def cascade_in_same_database(collector: Any, field: Any, rows: Any, using: str) -> None:
    """Delete the rows too, as `CASCADE` does, if their table is in the database `using`."""
    if not is_home(field.model, using):
        return
    if (partition := deleting_partition(field.name, using)) is not None:
        rows = rows.filter(partition=partition)
    in_block = transaction.get_connection(using).in_atomic_block
    try:
        with transaction.atomic(using) if in_block else nullcontext():
            found = bool(rows)
    except DatabaseError as error:
        log_for_client(
            logger, logging.WARNING, "The sockets of a deleted row cannot be read: %s", error
        )
        return
    if found:
        models.CASCADE(collector, field, rows, using)


cascade_in_same_database.lazy_sub_objs = True  # type: ignore[attr-defined] # Django queries nothing


class OptionalRelation(Descriptor):
    """The attribute of an `OptionalForeignKey`, if the related row is missing: its replacement."""

    def get_queryset(self, **hints: Any) -> Any:
        """Read from the database of the related model, not from that of the instance."""
        model = self.field.remote_field.model
        if share_database(self.field.model, model):
            return super().get_queryset(**hints)
        return model._base_manager.using(router.db_for_read(model))

    def get_object(self, instance: Any) -> Any:
        try:
            return super().get_object(instance)
        except self.field.remote_field.model.DoesNotExist:
            return self.field.replacement(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        """Set the key. Django would refuse an object of another database."""
        model = self.field.remote_field.model
        if isinstance(value, model) and not share_database(self.field.model, model):
            setattr(instance, self.field.attname, value.pk)
            self.field.set_cached_value(instance, value)
        else:
            super().__set__(instance, value)


class OptionalForeignKey(ForeignKey):
    """A foreign key that is nullable and has no constraint. In migrations it is a `ForeignKey`.

    `replacement(instance)` is the value for a related row that is missing, by default `None`.
    """

    forward_related_accessor_class = OptionalRelation

    def __init__(self, to: Any, replacement: Any = None, **kwargs: Any) -> None:
        fixed = {"null": True, "blank": True, "db_constraint": False}
        super().__init__(to, **{"on_delete": cascade_in_same_database, **kwargs, **fixed})
        self.replacement = replacement or (lambda instance: None)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        if kwargs["on_delete"] is cascade_in_same_database:
            kwargs["on_delete"] = models.DO_NOTHING  # migrations delete no rows
        return name, "django.db.models.ForeignKey", args, kwargs

    def clone(self) -> Any:
        """Return a plain foreign key: migrations and the admin know no other."""
        _name, _path, args, kwargs = self.deconstruct()
        return models.ForeignKey(*args, **kwargs)
