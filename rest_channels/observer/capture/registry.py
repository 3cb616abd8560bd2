"""The observers of each model, and the groups they assign to a row."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, Protocol
from weakref import ref

from django.db.models import Model

from ...client_logs import log_for_client
from ...history.policy import History
from .instances import as_instance_of

__all__ = [
    "NO_GROUPS",
    "Groups",
    "ObserverGroups",
    "RowObserver",
    "active_observers",
    "add_observer",
    "concrete_model",
    "groups_of",
    "log_errors",
    "needs_rows",
    "observed_models",
    "observers_of",
    "subclasses_of",
    "with_proxies",
]

logger = logging.getLogger("rest_channels")

Groups = frozenset[str]
NO_GROUPS: Groups = frozenset()


class RowObserver(Protocol):
    """An observer of a model's rows, as a `ModelObserver` is. It is hashed by identity."""

    id: str
    history: History | None
    """What its groups keep for clients that were away."""
    many_to_many: bool
    """Whether a changed many-to-many relation counts as a change of the row."""
    groups_need_row: bool
    """Whether the groups of a row depend on more than its primary key."""

    @property
    def model(self) -> type[Model]:
        """The observed model."""

    @property
    def keeps_instance(self) -> bool:
        """Whether the published change must carry the instance as it was saved."""

    def has_subscribers(self) -> bool:
        """Return whether any process may have a subscriber; if not, no query is made.

        A client that subscribes between a write and its commit receives the change only if no query
        was needed to record it.
        """

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        """Return the groups of a row. Unless `groups_need_row`, `row` is `None`."""


ObserverGroups = dict[RowObserver, Groups]
"""The groups of one row, for each observer."""

_observers: dict[type[Model], list[ref[RowObserver]]] = {}


def add_observer(model: type[Model], observer: RowObserver) -> None:
    """Register `observer` for the concrete `model`. Only a weak reference to it is kept."""
    alive = [reference for reference in _observers.get(model, ()) if reference() is not None]
    _observers[model] = [*alive, ref(observer)]


def observers_of(model: type[Model]) -> list[RowObserver]:
    """Return the observers of `model`."""
    observers = (reference() for reference in _observers.get(model, ()))
    return [observer for observer in observers if observer is not None]


def active_observers(
    model: type[Model], condition: Callable[[RowObserver], bool] | None = None
) -> list[RowObserver]:
    """Return the observers of `model` that have subscribers and meet `condition`."""
    return [
        observer
        for observer in observers_of(model)
        if (condition is None or condition(observer)) and observer.has_subscribers()
    ]


def needs_rows(observers: Iterable[RowObserver]) -> bool:
    """Return whether any observer needs more of a row than its primary key."""
    return any(observer.groups_need_row or observer.keeps_instance for observer in observers)


def observed_models() -> list[type[Model]]:
    """Return the models that have, or had, an observer."""
    return list(_observers)


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
        except Exception as error:  # noqa: BLE001 - it must not fail the save
            text = "A change of %s cannot be observed."
            log_for_client(logger, logging.ERROR, text, sender.__name__, error=error)

    return receive


def groups_of(observer: RowObserver, pk: Any, row: Any) -> Groups:
    """Return the groups of a row. An error in a project's code is logged: it cannot fail a save."""
    try:
        shown = as_instance_of(observer.model, row) if observer.groups_need_row else None
        groups = observer.groups_of(pk, shown)
        if isinstance(groups, str):
            raise TypeError(f"{groups!r} is a string: return a list of groups, or yield each one.")
        return frozenset(groups)
    except Exception as error:  # noqa: BLE001 - it must not fail the save
        text = "Cannot determine the groups of %s %.200r."
        log_for_client(logger, logging.ERROR, text, observer.model.__name__, pk, error=error)
        return NO_GROUPS
