"""Instances of models with the columns and the related rows that are stored now."""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from inspect import getattr_static
from typing import Any

from django.db import InterfaceError, OperationalError, router
from django.db.models import Model, Prefetch, QuerySet, prefetch_related_objects

from ..client_logs import log_for_client
from .loaded_rows import RELATED, LoadedRows, computed_names

__all__ = [
    "Renewal",
    "errors_logged",
    "private_names",
    "renew",
]

logger = logging.getLogger("rest_channels")

CACHES = ("_perm_cache", "_user_perm_cache", "_group_perm_cache", RELATED)
"""The attributes in which Django keeps what it has read for a user."""

_MISSING = object()

DATABASE_IS_DOWN = (InterfaceError, OperationalError)
"""Errors that say nothing about a single row."""

Pair = tuple[Any, Any]
"""An instance that is used, and its copy."""


class Renewal:
    """An instance, and the copy that replaces it. They are the same if nothing may have changed.

    The copy is made as a query makes it: so its model's `__init__` and `post_init` note which
    columns are stored now. It keeps the attributes that middleware has set, and columns that the
    instance has not loaded stay deferred. The permissions that Django has cached are dropped.
    """

    __slots__ = (
        "_attributes",
        "_columns",
        "_dropped",
        "computed",
        "fresh",
        "instance",
        "is_changed",
        "loaded",
    )

    loaded: LoadedRows | None
    """Which rows the copy has loaded, or `None` if that was not found out."""

    def __init__(
        self, instance: Any, columns: dict[str, Any], own: Collection[str] | None = None
    ) -> None:
        """Make the copy.

        Args:
            instance: The instance.
            columns: What is stored for it.
            own: Its private attributes. Others are caches of methods, as those of Wagtail for
                permissions, and are dropped. By default none is.
        """
        self.instance = self.fresh = instance
        self.loaded = None
        self._attributes = attributes = vars(instance).copy()  # handlers may set others meanwhile
        self._columns = {name: columns[name] for name in columns if name in attributes}
        self.computed = computed_names(instance, attributes)
        caches = set() if own is None else private_names(attributes).difference(own)
        self._dropped = {*CACHES, *self.computed, *self._columns, *caches, "_state"}
        self.is_changed = any(
            _differ(attributes[name], value) for name, value in self._columns.items()
        )
        if (
            self.is_changed
            or self.computed
            or caches
            or instance._state.fields_cache
            or RELATED in attributes
        ):
            self.fresh = self._copy()

    def _copy(self) -> Any:
        instance, columns = self.instance, self._columns
        fresh = _made(instance, columns)
        fresh._state = copy(instance._state)
        fresh._state.fields_cache = {}
        for name in columns.keys() - vars(fresh).keys():  # a backend has added them
            setattr(fresh, name, columns[name])
        made = vars(fresh).keys() - columns.keys()
        if public := made - private_names(made) - {"_state"}:
            before = vars(_made(instance, self._attributes))
            is_set = {n for n in public if _differ(before.get(n), self._attributes.get(n))}
            made -= is_set  # after `__init__`, for example by a middleware
        self._dropped |= made
        vars(fresh).update(self._kept(self._attributes))
        return fresh

    def _kept(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return those of `attributes` that are neither read from the database nor computed."""
        return {name: value for name, value in attributes.items() if name not in self._dropped}

    def compute(self) -> None:
        """Compute those cached properties of the copy that were computed for the instance."""
        for name in self.computed:
            try:
                value = getattr(self.fresh, name)
                if isinstance(value, QuerySet) and self._attributes[name]._result_cache is not None:
                    len(value)
            except Exception:  # noqa: BLE001, S112 - the handler that uses it gets its error
                continue

    def finish(self) -> Any:
        """Return the copy, with what handlers have set for the instance since it was made."""
        if self.fresh is not self.instance:
            now = self._kept(vars(self.instance).copy())
            before = self._attributes
            changed = {n: each for n, each in now.items() if before.get(n, _MISSING) is not each}
            computed = computed_names(self.instance, changed)
            vars(self.fresh).update({n: changed[n] for n in changed if n not in computed})
        return self.fresh


def _made(instance: Any, values: dict[str, Any]) -> Any:
    """Return an instance as a query makes it that finds these values of columns."""
    names = [each.attname for each in instance._meta.concrete_fields if each.attname in values]
    return type(instance).from_db(instance._state.db, names, [values[name] for name in names])


def private_names(attributes: Iterable[str]) -> set[str]:
    """Return the private ones, except those that Django sets and the library knows."""
    return {name for name in attributes if name[0] == "_" and name not in CACHES} - {"_state"}


def renew(renewals: Iterable[Renewal]) -> None:
    """Load what each instance has loaded or computed for its copy, too. Call this in a thread.

    Rows that belong to one row each are read in one query for all copies. If that fails, each copy
    is loaded alone. A copy for which it fails loads its rows when they are used.
    """
    renewals = [each for each in renewals if each.fresh is not each.instance]
    try:
        _load(renewals)
    except DATABASE_IS_DOWN:
        raise
    except Exception:  # noqa: BLE001 - raised once more, and logged, for the row that has caused it
        for each in renewals:
            with errors_logged(each.instance):
                _load([each])
    for each in renewals:
        each.compute()


@contextmanager
def errors_logged(row: Any) -> Iterator[None]:
    """Log an error that only says something about `row`: others are read all the same."""
    try:
        yield
    except DATABASE_IS_DOWN:
        raise
    except Exception as error:  # noqa: BLE001 - properties of the project raise anything
        text = "Cannot check %s %s. The next heartbeat tries again."
        name, pk = type(row).__name__, getattr(row, "pk", None)
        log_for_client(logger, logging.ERROR, text, name, pk, error=error)


def _load(renewals: list[Renewal]) -> None:
    pairs: list[Pair] = [(each.instance, each.fresh) for each in renewals]
    seen: set[int] = set()
    while pairs:
        seen.update(id(row) for row, _ in pairs)
        found = [*_load_rows(pairs), *_load_lists(pairs)]
        pairs = [pair for pair in found if id(pair[0]) not in seen]


def _load_rows(pairs: list[Pair]) -> Iterator[Pair]:
    """Load the other ends of foreign keys and one-to-one relations. Yield these in pairs."""
    by_relation: dict[tuple[Any, ...], list[Pair]] = {}
    for row, fresh in pairs:
        for name in row._state.fields_cache.copy():
            if name not in fresh._state.fields_cache:
                key = type(fresh), fresh._state.db, name
                by_relation.setdefault(key, []).append((row, fresh))
    for (model, _db, name), found in by_relation.items():
        copies = [fresh for _row, fresh in found]
        if not hasattr(getattr_static(model, name, None), "get_prefetch_querysets"):
            continue  # a cache of other code
        prefetch_related_objects(copies, _lookup(copies[0], name))
        for row, fresh in found:
            related = row._state.fields_cache.get(name), fresh._state.fields_cache.get(name)
            if None not in related:
                yield related


def _lookup(fresh: Model, name: str) -> Any:
    """Return what reads a relation from the database that is written to: a replica may lag."""
    descriptor = getattr_static(type(fresh), name)
    if (field := getattr(descriptor, "field", None)) is not None:
        model = field.remote_field.model
    elif (relation := getattr(descriptor, "related", None)) is not None:
        model = relation.related_model
    else:
        return name  # a generic relation, whose model each row names
    rows = model._base_manager.using(router.db_for_write(model, instance=fresh))
    return Prefetch(name, rows.all())


def _load_lists(pairs: list[Pair]) -> Iterator[Pair]:
    """Load the lists of rows that `prefetch_related` has read, with their filters."""
    for row, fresh in pairs:
        for name, rows in vars(row).get(RELATED, {}).copy().items():
            try:
                query = rows._chain()
            except TypeError:  # a slice of all rows, which one row alone cannot have
                continue
            query = query.using(router.db_for_write(query.model, instance=fresh))
            for known in query._known_related_objects.values():
                known.update({key: fresh for key, each in known.items() if each is row})
            fresh.__dict__.setdefault(RELATED, {})[name] = query
            before = {each.pk: each for each in rows}
            default = next(iter(before.values()), None)
            for each in query:
                if (old := before.get(each.pk, default)) is not None:
                    yield old, each


def _differ(value: Any, other: Any) -> bool:
    try:
        return bool(value != other)
    except Exception:  # noqa: BLE001 - arrays, for example, cannot tell
        return True
