"""The peers: different ways to write the same applications."""

from collections.abc import Sequence
from importlib import import_module

from .base import Peer

__all__ = ["NAMES", "Peer", "load"]

#: The peers of the cases with several processes, in the order of the rounds and columns.
NAMES = ("ours", "raw", "bare")


def load(names: Sequence[str] = NAMES) -> list[Peer]:
    """Import the peers. Django must be set up."""
    return [import_module(f"{__name__}.{name}").PEER for name in names]
