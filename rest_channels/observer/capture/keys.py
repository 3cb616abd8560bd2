"""Primary keys of rows, as the database stores them."""

from typing import Any

from django.db.models import Model

from ...live.keys import normalize_key

__all__ = ["key_in", "normalize_key"]


def key_in(model: type[Model], instance: Model) -> Any:
    """Return the key that `instance` has in the table of `model`, its own model or a parent."""
    pk: Any = model._meta.pk
    key = getattr(instance, pk.attname)
    link: Any = None if key is not None else type(instance)._meta.get_ancestor_link(model)
    return getattr(instance, link.attname) if link else key
