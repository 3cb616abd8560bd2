"""Multi-table inheritance: which tables and which models share one row."""

from django.db.models import Model

from .registry import RowObserver, active_observers, concrete_model, observed_models, observers_of

__all__ = ["ancestors", "has_active_observers", "related_models", "shared_parent", "tables_of"]


def tables_of(model: type[Model], *, raw: bool = False) -> list[type[Model]]:
    """Return the models whose tables a save of a `model` writes: its own, and its parents'.

    A `raw` save, which loads a fixture, writes its own table only.
    """
    concrete = concrete_model(model)
    return [concrete] if raw else [concrete, *concrete._meta.get_parent_list()]


def ancestors(model: type[Model], *, raw: bool = False) -> dict[type[Model], list[RowObserver]]:
    """Return the observed models among the tables of `model`, each with its observers."""
    tables = tables_of(model, raw=raw)
    return {table: observers for table in tables if (observers := observers_of(table))}


def related_models(tables: list[type[Model]]) -> list[type[Model]]:
    """Return the other observed models that share one of these tables: children and siblings."""
    return [
        model
        for model in observed_models()
        if model not in tables and not set(tables).isdisjoint(model._meta.get_parent_list())
    ]


def shared_parent(model: type[Model], tables: list[type[Model]]) -> type[Model]:
    """Return the table among these that the related `model` shares."""
    return next(parent for parent in model._meta.get_parent_list() if parent in tables)


def has_active_observers(model: type[Model]) -> bool:
    """Return whether changes of `model` may have subscribers, related models included."""
    tables = tables_of(model)
    return any(active_observers(each) for each in (*tables, *related_models(tables)))
