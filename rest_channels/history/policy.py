"""Which groups keep their last messages, and how many.

    class Board(SocketView):
        histories = {"board-*": History(size=100, age=300)}

    REST_CHANNELS = {"HISTORIES": {"news": History(size=20, age=3600)}}

A pattern is that of `fnmatch`. The setting counts in every process. A class counts in processes
that import it: groups that another program sends to belong into the setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from django.core.signals import setting_changed

from ..declarations.hints import FrameHints
from ..declarations.values import MAX_SECONDS, is_seconds
from ..settings import SETTING_NAME, api_settings

__all__ = [
    "History",
    "KeepsHistories",
    "declare_histories",
    "declared_histories",
    "history_of",
]


MAX_SIZE = 1_000_000_000
"""Messages. All stores can count them."""


@dataclass(frozen=True, slots=True)
class History:
    """How much of a group is kept, for clients that were away.

    Args:
        size: The number of messages, from 1 to `MAX_SIZE`.
        age: Seconds; older messages are dropped. More than 0, and at most a hundred years.

    Raises:
        ValueError: For another size or age.
    """

    size: int = 100
    age: float = 300.0

    def __post_init__(self) -> None:
        is_count = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not is_count or not 1 <= self.size <= MAX_SIZE:
            text = f"use a whole number of at least 1, and at most {MAX_SIZE:,}"
            raise ValueError(f"History(size={self.size!r}): {text}.")
        if not (is_seconds(self.age) and self.age):
            text = f"use seconds, more than 0, and at most {MAX_SECONDS:,}"
            raise ValueError(f"History(age={self.age!r}): {text}.")


_declared: WeakKeyDictionary[Any, Mapping[str, History]] = WeakKeyDictionary()


def declare_histories(owner: Any, histories: Mapping[str, History]) -> None:
    """Let the groups that `histories` names or describes by patterns keep their messages.

    Args:
        owner: The class or router that declares them. They count as long as it exists.
        histories: Group name, or pattern of group names, to `History`.
    """
    _declared[owner] = dict(histories)
    history_of.cache_clear()


def declared_histories() -> list[tuple[Any, str, History]]:
    """Return the owner, the pattern and the history of all that classes have declared."""
    return [
        (owner, pattern, history)
        for owner, histories in list(_declared.items())
        for pattern, history in histories.items()
    ]


class KeepsHistories(FrameHints):
    """The part of a view or a consumer that says which groups keep their messages.

    Attributes:
        histories: The groups that keep their last messages, by name or pattern.
    """

    histories: ClassVar[Mapping[str, History] | None] = None
    overrides_sending: ClassVar[bool] = False

    @classmethod
    def _declare_histories(cls) -> None:
        """Declare `histories`. Raise `TypeError` if clients of the class would learn no offsets."""
        if cls.histories and cls.overrides_sending:
            raise TypeError(
                f"{cls.__name__}.histories has no effect: a class that overrides send(), "
                "send_json() or encode_json() sends messages without offsets. Use a renderer."
            )
        if cls.histories:
            declare_histories(cls, cls.histories)


@lru_cache(maxsize=10_000)
def history_of(group: str) -> History | None:
    """Return what is kept of `group`, or `None`.

    The setting comes before classes, and a longer pattern before a shorter one.
    """
    if (found := _longest(group, list(api_settings.HISTORIES.items()))) is not None:
        return found
    return _longest(group, [item[1:] for item in declared_histories()])


def _longest(group: str, patterns: list[tuple[str, History]]) -> History | None:
    matching = [item for item in patterns if fnmatchcase(group, item[0])]
    return max(matching, key=lambda item: len(item[0]), default=(None, None))[1]


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING_NAME:
        history_of.cache_clear()


setting_changed.connect(_forget)
