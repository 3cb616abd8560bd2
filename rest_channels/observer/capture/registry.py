"""Who watches which model, what a row's key is, and what instances remember of their groups."""

import logging
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import wraps
from itertools import count
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary, ref

from django.core.exceptions import ValidationError
from django.db.models import DecimalField, Model

__all__ = [
    "NONE",
    "Groups",
    "Watcher",
    "active_watchers",
    "add_watcher",
    "as_stored",
    "classes_of",
    "clock",
    "forget",
    "groups_of",
    "log_errors",
    "move",
    "needs_rows",
    "recall",
    "remember",
    "subclasses_of",
    "watched_models",
    "watchers_of",
]

logger = logging.getLogger("rest_channels")

Groups = frozenset[str]
NONE: Groups = frozenset()


class Watcher(Protocol):
    """Who wants to know what happens to the rows of a model. It is hashed by identity."""

    id: str
    many_to_many: bool
    """Whether that includes whom a row is related to."""
    looks_at_rows: bool
    """Whether its groups depend on more than the primary key."""

    @property
    def model(self) -> type[Model]:
        """The model."""

    @property
    def keeps_rows(self) -> bool:
        """Whether it takes the instance, as it was saved, along."""

    def has_subscribers(self) -> bool:
        """Whether anybody may be told by it now: where not, no query is made for its sake.

        Who subscribes between a write and its commit is told only what needed none.
        """

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        """Who is to be told of that row. `row` is `None` unless it `looks_at_rows`."""


_watchers: dict[type[Model], list[ref[Watcher]]] = {}


def add_watcher(model: type[Model], watcher: Watcher) -> None:
    """Let `watcher` be asked about changes of `model`, which is concrete, while it lives."""
    alive = [one for one in _watchers.get(model, ()) if one() is not None]
    _watchers[model] = [*alive, ref(watcher)]


def watchers_of(model: type[Model]) -> list[Watcher]:
    """Who watches that model."""
    alive = (one() for one in _watchers.get(model, ()))
    return [one for one in alive if one is not None]


def active_watchers(
    model: type[Model], chosen: Callable[[Watcher], bool] | None = None
) -> list[Watcher]:
    """Who watches that model, and may be heard; in: `chosen`, which of them matter."""
    return [
        one
        for one in watchers_of(model)
        if (chosen is None or chosen(one)) and one.has_subscribers()
    ]


def needs_rows(watchers: Iterable[Watcher]) -> bool:
    """Whether a key is not all that they need."""
    return any(one.looks_at_rows or one.keeps_rows for one in watchers)


def watched_models() -> list[type[Model]]:
    """The models that somebody watches."""
    return list(_watchers)


def subclasses_of(model: type[Model]) -> Iterator[type[Model]]:
    """The classes that are made of `model`: its proxies, its children, and theirs."""
    for one in model.__subclasses__():
        yield one
        yield from subclasses_of(one)


def classes_of(model: type[Model]) -> list[type[Model]]:
    """`model`, which is concrete, and its proxies: what the sender of a row's signal may be."""
    return [model, *(one for one in subclasses_of(model) if one._meta.concrete_model is model)]


def log_errors(receiver: Callable[..., None]) -> Callable[..., None]:
    """A receiver of signals whose errors are logged: none may fail what somebody saves."""

    @wraps(receiver)
    def receive(sender: type[Model], **kwargs: Any) -> None:
        try:
            receiver(sender, **kwargs)
        except Exception:
            logger.exception("What happens to a %s cannot be observed.", sender.__name__)

    return receive


def groups_of(watcher: Watcher, pk: Any, row: Any) -> Groups:
    """The groups of a row; an error in a project's code is logged, and never fails a save."""
    try:
        groups = watcher.groups_of(pk, row if watcher.looks_at_rows else None)
        if isinstance(groups, str):
            raise TypeError(f"{groups!r} is a text: each of its letters would be a group.")
        return frozenset(groups)
    except Exception:
        logger.exception("The groups of %s %r cannot be told.", watcher.model.__name__, pk)
        return NONE


def as_stored(model: type[Model], pk: Any) -> Any:
    """A primary key as the database has it, however it was spelled."""
    fields = model._meta.pk_fields
    if isinstance(pk, tuple | list):
        return tuple(_as_stored(field, part) for field, part in zip(fields, pk, strict=False))
    return _as_stored(fields[0], pk)


def _as_stored(field: Any, value: Any) -> Any:
    while field.is_relation:
        field = field.target_field
    try:
        value = field.to_python(value)
        if isinstance(field, DecimalField) and isinstance(value, Decimal):
            return value.quantize(Decimal(1).scaleb(-field.decimal_places))
    except (ArithmeticError, TypeError, ValueError, ValidationError):
        pass  # an expression, or what the database refuses
    return value


# What instances remember. Nothing of it is kept in them, so that no copy of theirs, and no pickle
# that another process reads, claims to know where a row is.


class Memory(NamedTuple):
    """In which groups a row was, by the database's word."""

    pk: Any
    groups: dict[ref[Watcher], Groups]
    since: int


clock = count()
"""Numbers for what begins: of two saves, one within the other, the outer began first."""


_memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()
"""An instance's `_state` → what it remembers."""


def remember(state: Any, pk: Any, groups: dict[Watcher, Groups]) -> None:
    """Let an instance know the groups of its row."""
    looking = {ref(one): known for one, known in groups.items() if one.looks_at_rows}
    if looking:
        memory = _memories.get(state)
        known = memory.groups if memory is not None and memory.pk == pk else {}
        _memories[state] = Memory(pk, known | looking, next(clock))


def recall(state: Any, pk: Any, watcher: Watcher) -> Groups | None:
    """What it knows of the row `pk`. Since any row was moved by this process, it knows nothing."""
    memory = _memories.get(state)
    moved = _moved.get(watcher.model._meta.concrete_model or watcher.model, -1)
    if memory is None or memory.pk != pk or memory.since < moved:
        return None
    return memory.groups.get(ref(watcher))


_moved: dict[type[Model], int] = {}
"""When a row of that model last went from one group to another."""


def move(model: type[Model]) -> None:
    """A row of `model` has: instances that were loaded before may be wrong about theirs."""
    _moved[model] = next(clock)


def forget(state: Any) -> None:
    """Let it know nothing until the next commit."""
    _memories.pop(state, None)
