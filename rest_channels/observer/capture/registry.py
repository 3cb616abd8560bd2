"""The watchers of each model, and the groups they assign to a row."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Protocol
from weakref import ref

from django.db.models import Model

__all__ = [
    "NO_GROUPS",
    "Groups",
    "Watcher",
    "WatcherGroups",
    "active_watchers",
    "add_watcher",
    "concrete_model",
    "groups_of",
    "log_errors",
    "needs_rows",
    "subclasses_of",
    "watched_models",
    "watchers_of",
    "with_proxies",
]

logger = logging.getLogger("rest_channels")

Groups = frozenset[str]
NO_GROUPS: Groups = frozenset()


class Watcher(Protocol):
    """An object that wants the changes of a model's rows. It is hashed by identity."""

    id: str
    many_to_many: bool
    """Whether a changed many-to-many relation counts as a change of the row."""
    groups_need_row: bool
    """Whether the groups of a row depend on more than its primary key."""

    @property
    def model(self) -> type[Model]:
        """The watched model."""

    @property
    def keeps_instance(self) -> bool:
        """Whether the published change must carry the instance as it was saved."""

    def has_subscribers(self) -> bool:
        """Return whether any process may have a subscriber; if not, no query is made.

        A client that subscribes between a write and its commit receives only what needed no query.
        """

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        """Return the groups of a row. Unless `groups_need_row`, `row` is `None`."""


WatcherGroups = dict[Watcher, Groups]
"""The groups of one row, for each watcher."""

_watchers: dict[type[Model], list[ref[Watcher]]] = {}


def add_watcher(model: type[Model], watcher: Watcher) -> None:
    """Register `watcher` for the concrete `model`. Only a weak reference to it is kept."""
    alive = [reference for reference in _watchers.get(model, ()) if reference() is not None]
    _watchers[model] = [*alive, ref(watcher)]


def watchers_of(model: type[Model]) -> list[Watcher]:
    """Return the watchers of `model`."""
    watchers = (reference() for reference in _watchers.get(model, ()))
    return [watcher for watcher in watchers if watcher is not None]


def active_watchers(
    model: type[Model], condition: Callable[[Watcher], bool] | None = None
) -> list[Watcher]:
    """Return the watchers of `model` that have subscribers and meet `condition`."""
    return [
        watcher
        for watcher in watchers_of(model)
        if (condition is None or condition(watcher)) and watcher.has_subscribers()
    ]


def needs_rows(watchers: Iterable[Watcher]) -> bool:
    """Return whether any watcher needs more of a row than its primary key."""
    return any(watcher.groups_need_row or watcher.keeps_instance for watcher in watchers)


def watched_models() -> list[type[Model]]:
    """Return the models that have been watched."""
    return list(_watchers)


def concrete_model(model: type[Model]) -> type[Model]:
    """Return the model whose table holds the rows of `model`; an abstract model itself."""
    return model._meta.concrete_model or model


def subclasses_of(model: type[Model]) -> Iterator[type[Model]]:
    """Yield all subclasses of `model`: proxies, children, and their subclasses."""
    for subclass in model.__subclasses__():
        yield subclass
        yield from subclasses_of(subclass)


def with_proxies(model: type[Model]) -> list[type[Model]]:
    """Return the concrete `model` and its proxies: the possible senders of a row's signals."""
    subclasses = subclasses_of(model)
    return [model, *(proxy for proxy in subclasses if proxy._meta.concrete_model is model)]


def log_errors(receiver: Callable[..., None]) -> Callable[..., None]:
    """Decorate a signal receiver: its errors are logged, so that they cannot fail a save."""

    @wraps(receiver)
    def receive(sender: type[Model], **kwargs: Any) -> None:
        try:
            receiver(sender, **kwargs)
        except Exception:
            logger.exception("A change of %s cannot be observed.", sender.__name__)

    return receive


def groups_of(watcher: Watcher, pk: Any, row: Any) -> Groups:
    """Return the groups of a row. An error in a project's code is logged: it cannot fail a save."""
    try:
        groups = watcher.groups_of(pk, row if watcher.groups_need_row else None)
        if isinstance(groups, str):
            raise TypeError(f"{groups!r} is a string: return a list of groups, or yield each one.")
        return frozenset(groups)
    except Exception:
        logger.exception("Cannot determine the groups of %s %r.", watcher.model.__name__, pk)
        return NO_GROUPS
