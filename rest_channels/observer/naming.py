"""How observers are known: by a name that is the same in every process, and by their groups."""

from collections.abc import Callable, Iterable
from copy import copy
from hashlib import blake2b
from typing import Any, Self
from weakref import WeakValueDictionary

__all__ = ["Labels", "NamedObserver", "find"]

Labels = Callable[..., Iterable[str]]


class NamedObserver:
    """An observer, as far as it has a name. In: `func`, its handler, or `None`."""

    def __init__(self, func: Callable[..., Any] | None) -> None:
        self.func = func
        self.name = ""
        self.id = ""  # the same in every process
        self._serializer: Callable[..., Any] | None = None
        self._labels_for_signal: Labels | None = None
        self._labels_for_consumer: Labels | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        if not self.id:
            self.identify(f"{owner.__module__}.{owner.__qualname__}.{name}", name)

    def identify(self, path: str, name: str) -> None:
        """Be known by `path` in every process: two that have one path are numbered."""
        self.name, self.id = name, path
        number = 1
        while self.id in _observers:
            number += 1
            self.id = f"{path}#{number}"
        _observers[self.id] = self

    # What a project says of it: each of these decorates a function, of the same name or another.

    def serializer(self, func: Callable[..., Any]) -> Self:
        """Let `func(self, instance, action)` make the message, in the process that publishes."""
        observer = self._own()
        observer._serializer = func
        return observer

    def groups_for_signal(self, func: Labels) -> Self:
        """Let `func(self, instance)` yield whom a change is told: names, of any text.

        It is called often, also when rows are loaded: it must not query.
        """
        observer = self._own()
        observer._labels_for_signal = func
        return observer

    def groups_for_consumer(self, func: Labels) -> Self:
        """Let `func(self, **kwargs)` yield what `subscribe(**kwargs)` joins.

        `self` has the consumer's `scope`; the consumer comes as `consumer`, if it is taken.
        """
        observer = self._own()
        observer._labels_for_consumer = func
        return observer

    def groups(self, func: Labels) -> Self:
        """Let one function yield both."""
        return self.groups_for_signal(func).groups_for_consumer(func)

    def _own(self) -> Self:
        """Itself while its class is made; later, for a subclass, one that has no name yet."""
        if not self.id:
            return self
        own = copy(self)
        own.id = ""
        return own

    def default_labels(self, **kwargs: Any) -> Iterable[str]:
        """The groups of an observer that nobody has parted."""
        return ("*",)

    def group(self, label: str) -> str:
        """The group's name for the hub and the layer, which take only some."""
        return f"observer.{blake2b(f'{self.id}|{label}'.encode(), digest_size=16).hexdigest()}"

    def groups_named(self, labels: Iterable[str]) -> list[str]:
        """The groups of these labels. Raises `TypeError` for a text: its letters are none."""
        if isinstance(labels, str):
            raise TypeError(f"{self.id} has {labels!r} for its groups: yield it.")
        return [self.group(label) for label in labels]

    def signal_groups(self, *args: Any, **kwargs: Any) -> list[str]:
        """The groups that are told."""
        if self._labels_for_signal is None:
            return [self.group(label) for label in self.default_labels(**kwargs)]
        return self.groups_named(self._labels_for_signal(self, *args, **kwargs))


def find(identity: str) -> NamedObserver | None:
    """The observer of that id, if this process knows it."""
    return _observers.get(identity)


_observers: WeakValueDictionary[str, NamedObserver] = WeakValueDictionary()
