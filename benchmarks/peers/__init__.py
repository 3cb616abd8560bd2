"""The peers: three ways to write the same applications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from ..driver import Application

#: The order of the rounds and of the columns.
NAMES = ("ours", "raw", "bare")


@dataclass(frozen=True)
class Peer:
    """A way to write the applications; they are found by the name of what they do."""

    name: str
    applications: Mapping[str, Application]

    def __getitem__(self, name: str) -> Application:
        return self.applications[name]


def load(names: Sequence[str] = NAMES) -> list[Peer]:
    """Import the peers; Django must be set up."""
    return [Peer(name, import_module(f"{__name__}.{name}").APPLICATIONS) for name in names]
