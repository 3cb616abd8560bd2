"""The names of observers, which are the same in every process, and of their groups."""

from collections.abc import Callable, Iterable
from copy import copy
from hashlib import blake2b
from typing import Any, Self
from weakref import WeakValueDictionary

from asgiref.sync import iscoroutinefunction
from django.apps import apps

__all__ = ["Labels", "NamedObserver", "find_observer"]

Labels = Callable[..., Iterable[str]]
"""A project's function that yields labels of groups, which may be any text."""

_GROUPS = "decorate the function with .groups_for_signal, .groups_for_consumer or .groups"
_MESSAGE = "decorate a function with .serializer"
UNSUPPORTED_HOOKS = {
    "clean_group_name": "override group(label)",
    "database_event": _MESSAGE,
    "generate_messages": _MESSAGE,
    "group_names": _GROUPS,
    "group_names_for_consumer": _GROUPS,
    "group_names_for_signal": _GROUPS,
    "handle": _MESSAGE,
    "prepare_messages": _MESSAGE,
    "send_prepared_messages": _MESSAGE,
    "serialize": _MESSAGE,
}
"""Methods of djangochannelsrestframework's observers, with what replaces them."""


class NamedObserver:
    """An observer with its name, and the functions that a project decorates with it."""

    def __init__(self, func: Callable[..., Any] | None, partition: str = "*") -> None:
        if not isinstance(partition, str):
            raise TypeError(f"The partition of an observer is text, not {partition!r}.")
        self.func = func
        self.partition = partition  # DCRF needs it to tell observers apart; the id includes it
        self.name = self.message_type = ""  # the `type` of its messages names it to consumers
        self.id = ""  # the same in every process
        self.is_known_everywhere = False
        self._serializer: Callable[..., Any] | None = None
        self._labels_for_signal: Labels | None = None
        self._labels_for_consumer: Labels | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls).keys() & UNSUPPORTED_HOOKS.keys():
            raise TypeError(f"{cls.__name__}.{name} is never called: {UNSUPPORTED_HOOKS[name]}.")

    def __set_name__(self, owner: type, name: str) -> None:
        if not self.id:
            self.register(f"{owner.__module__}.{owner.__qualname__}.{name}", name)

    def register(self, path: str, name: str) -> None:
        """Make `path` the id of this observer. If it is taken, a number is appended."""
        if self.partition != "*":
            path = f"{path}@{self.partition}"
        self.name, self.message_type, self.id = name, name.replace("_", "."), path
        self.is_known_everywhere = not apps.ready  # else imported later, and not by every process
        number = 1
        while self.id in _observers:
            number += 1
            self.id = f"{path}#{number}"
        _observers[self.id] = self

    def serializer(self, func: Callable[..., Any]) -> Self:
        """Decorate `func(self, instance, action)`, called in the process that saves."""
        observer = self._unregistered()
        observer._serializer = _sync(func, "serializer")
        return observer

    def groups_for_signal(self, func: Labels) -> Self:
        """Decorate `func(self, instance)`, the groups that receive a change.

        It is called often, also when rows are loaded: it must make no queries.
        """
        observer = self._unregistered()
        observer._labels_for_signal = _sync(func, "groups_for_signal")
        return observer

    def groups_for_consumer(self, func: Labels) -> Self:
        """Decorate `func(self, **kwargs)`, the groups that `subscribe(**kwargs)` joins.

        `self` has the consumer's `scope`. A parameter `consumer` receives the consumer.
        """
        observer = self._unregistered()
        observer._labels_for_consumer = _sync(func, "groups_for_consumer")
        return observer

    def groups(self, func: Labels) -> Self:
        """Decorate one function for both `groups_for_signal` and `groups_for_consumer`."""
        return self.groups_for_signal(_sync(func, "groups")).groups_for_consumer(func)

    def _unregistered(self) -> Self:
        """Return this observer while its class is made; later, for a subclass, a copy."""
        if not self.id:
            return self
        copied = copy(self)
        copied.id = ""
        return copied

    def default_labels(self, **kwargs: Any) -> Iterable[str]:
        """Return the labels of an observer whose project defines no groups."""
        return ("*",)

    def group(self, label: str) -> str:
        """Return a group's name for the hub and the channel layer, which allow few characters."""
        return f"observer.{blake2b(f'{self.id}|{label}'.encode(), digest_size=16).hexdigest()}"

    def groups_of_labels(self, labels: Iterable[str]) -> list[str]:
        """Return the groups with these labels. A string raises `TypeError`."""
        if isinstance(labels, str):
            raise TypeError(f"{self.id} returns the string {labels!r} instead of groups: yield it.")
        return [self.group(label) for label in labels]

    def signal_groups(self, *args: Any, **kwargs: Any) -> list[str]:
        """Return the groups that receive a change or a signal."""
        if self._labels_for_signal is None:
            return [self.group(label) for label in self.default_labels(**kwargs)]
        return self.groups_of_labels(self._labels_for_signal(self, *args, **kwargs))


def _sync(func: Callable[..., Any], hook: str) -> Callable[..., Any]:
    """Return `func`. Raise `TypeError` if it is async: code that saves rows cannot await it."""
    if iscoroutinefunction(func):
        name = getattr(func, "__name__", "name")
        raise TypeError(
            f"@{name}.{hook} takes a def, which is called where rows are saved, and not an async "
            "def or database_sync_to_async."
        )
    return func


def find_observer(identity: str) -> NamedObserver | None:
    """Return the observer with this id, if this process has it."""
    return _observers.get(identity)


_observers: WeakValueDictionary[str, NamedObserver] = WeakValueDictionary()
