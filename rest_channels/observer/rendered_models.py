"""The models that a serializer reads when it renders a row, beside the row itself."""

from typing import Any

from django.db.models import Model
from rest_framework.relations import ManyRelatedField, PrimaryKeyRelatedField
from rest_framework.serializers import BaseSerializer, ListSerializer, Serializer

from ..live.querysets import models_on_path

__all__ = ["rendered_models"]


def rendered_models(serializer_class: Any, model: type[Model]) -> set[type[Model]]:
    """Return the models that the fields of a serializer read by their sources.

    Nothing is known of what methods and properties read, or of a serializer that cannot be made
    without a context.

    Args:
        serializer_class: A DRF serializer class.
        model: The model of its rows.
    """
    try:
        serializer = serializer_class()
        fields = serializer.fields if isinstance(serializer, Serializer) else {}
    except Exception:  # noqa: BLE001 - a project's `get_fields` may need a context
        return set()
    found: set[type[Model]] = set()
    for field in fields.values():
        found |= _read_by_field(field, model)
    return found


def _read_by_field(field: Any, model: type[Model]) -> set[type[Model]]:
    many = isinstance(field, ListSerializer | ManyRelatedField)
    inner = field.child if isinstance(field, ListSerializer) else field
    if isinstance(field, ManyRelatedField):
        inner = field.child_relation
    attributes = getattr(field, "source_attrs", [])
    if isinstance(inner, PrimaryKeyRelatedField) and not many:
        attributes = attributes[:-1]  # a column of the row has the key
    found = models_on_path(model, attributes)
    if isinstance(inner, BaseSerializer):
        meta = getattr(inner, "Meta", None)
        found |= rendered_models(type(inner), getattr(meta, "model", model))
    return found
