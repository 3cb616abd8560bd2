"""The peers: three ways to write the same applications."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..driver import Application

#: The order of the rounds and of the columns.
NAMES = ("ours", "raw", "bare")


@dataclass(frozen=True)
class Peer:
    """A way to write the applications; they are found by the name of what they do."""

    name: str
    applications: Mapping[str, Application]
    #: Say something to a group: `say(group, content)` in a thread, `asay` on a loop. Not for bare.
    say: Callable[[str, Any], object] | None = None
    asay: Callable[[str, Any], Awaitable[None]] | None = None
    #: Around a save whose observers are this peer's.
    observing: Callable[[], AbstractContextManager[None]] = nullcontext

    def __getitem__(self, name: str) -> Application:
        return self.applications[name]


def load(names: Sequence[str] = NAMES) -> list[Peer]:
    """Import the peers; Django must be set up."""
    modules = {name: import_module(f"{__name__}.{name}") for name in names}
    options = ("say", "asay", "observing")
    return [
        Peer(
            name,
            module.APPLICATIONS,
            **{option: vars(module)[option] for option in options if hasattr(module, option)},
        )
        for name, module in modules.items()
    ]
