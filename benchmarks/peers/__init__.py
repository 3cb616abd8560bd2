"""The peers: different ways to write the same applications."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..driver import Application

#: The peers of the table, in the order of the rounds and columns.
NAMES = ("ours", "raw", "bare")


@dataclass(frozen=True)
class Peer:
    """One way to write the applications, which are found by name."""

    name: str
    applications: Mapping[str, Application]
    #: Send to a group: `send(group, content)` in a thread, `asend` on an event loop. Not for bare.
    send: Callable[[str, Any], object] | None = None
    asend: Callable[[str, Any], Awaitable[None]] | None = None
    #: A context manager around a save that this peer observes.
    observing: Callable[[], AbstractContextManager[None]] = nullcontext

    def __getitem__(self, name: str) -> Application:
        return self.applications[name]


def load(names: Sequence[str] = NAMES) -> list[Peer]:
    """Import the peers. Django must be set up."""
    modules = {name: import_module(f"{__name__}.{name}") for name in names}
    options = ("send", "asend", "observing")
    return [
        Peer(
            name,
            module.APPLICATIONS,
            **{option: vars(module)[option] for option in options if hasattr(module, option)},
        )
        for name, module in modules.items()
    ]
