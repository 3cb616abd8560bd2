"""Which rows the user or the token of a connection has loaded."""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from inspect import getattr_static
from typing import Any

from django.utils.functional import cached_property as django_cached_property

__all__ = ["RELATED", "LoadedRows", "computed_names"]

RELATED = "_prefetched_objects_cache"
"""The attribute in which Django keeps what `prefetch_related` has read."""


class LoadedRows:
    """The keys of the rows that an instance and its related rows have loaded, by their model.

    To find them takes two microseconds for each row. So they are only found again when the
    instance, or a row that belongs to it alone, has loaded others since. What the rows of a list
    have loaded since is found at the next heartbeat, which replaces the instance.
    """

    __slots__ = ("_is_computed", "_keys", "_user", "_version", "instance", "models")

    def __init__(self, instance: Any, user: Any) -> None:
        """Find the rows.

        Args:
            instance: The user or the token of a connection.
            user: The user of the connection, who is read again whenever it is saved.
        """
        self.instance, self._user = instance, user
        self._find()

    def _find(self) -> None:
        self._version = _version(self.instance)
        self._is_computed: bool | None = None
        self._keys: dict[str, list[Any]] = {}
        self.models: set[type[Any]] = set()
        """The models of the rows, except that of the user if it is the only row of it."""
        for model, rows in _loaded(self.instance):
            if rows != [self._user]:
                self.models.add(model)
            label = model._meta.concrete_model._meta.label_lower
            self._keys.setdefault(label, []).extend(each.pk for each in rows)

    def update(self) -> None:
        """Find the rows again if others have been loaded."""
        if self._version != _version(self.instance):
            self._find()

    def depends_on(self, label: str, keys: Collection[str]) -> bool:
        """Return whether one of these rows was loaded, or the instance may be computed of it.

        Args:
            label: The label of a model.
            keys: Primary keys of its rows, as text.
        """
        self.update()
        if self._is_computed is None:
            self._is_computed = bool(computed_names(self.instance, vars(self.instance).copy()))
        return self._is_computed or any(str(key) in keys for key in self._keys.get(label, ()))


def computed_names(instance: Any, attributes: Iterable[str]) -> list[str]:
    """Return the names of cached properties among `attributes`."""
    kinds, model = (cached_property, django_cached_property), type(instance)
    columns = model._meta._forward_fields_map  # most attributes are columns
    others = [name for name in attributes if name not in columns]
    return [name for name in others if isinstance(getattr_static(model, name, None), kinds)]


def _loaded(instance: Any) -> Iterator[tuple[type[Any], list[Any]]]:
    """Yield the rows that `instance` and its related rows have loaded, with their models."""
    seen, instances = {id(instance)}, [instance]
    while instances:
        row = instances.pop()
        lists = [(each.model, list(each)) for each in vars(row).get(RELATED, {}).copy().values()]
        found = [(type(each), [each]) for each in _single_rows(row)]
        for model, rows in (*lists, *found):
            yield model, rows
            instances += [each for each in rows if id(each) not in seen]
            seen.update(map(id, rows))


def _single_rows(row: Any) -> list[Any]:
    """Return the rows that foreign keys and one-to-one relations of `row` have loaded."""
    return [each for each in row._state.fields_cache.copy().values() if each]


def _version(instance: Any) -> int:
    """Return a number that changes when `instance`, or a row that belongs to it, loads others."""
    version, seen, rows = 0, {id(instance)}, [instance]
    while rows:
        row = rows.pop()
        related, lists = _single_rows(row), vars(row).get(RELATED, {}).copy()
        version += len(vars(row)) + sum(map(id, related)) + sum(map(id, lists.values()))
        rows += [each for each in related if id(each) not in seen]
        seen.update(map(id, related))
    return version
