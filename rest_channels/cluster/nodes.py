"""Names of processes, of the hubs in them, and of connections.

3f9a0c1b2d        a process; a forked child has another
3f9a0c1b2d-1      a node: one event loop of it, or its publisher
3f9a0c1b2d-1.5f   an address: a connection there
"""

import itertools
import os
import re
import secrets

__all__ = ["is_here", "new_node", "node_of", "process_of"]

_ADDRESS = re.compile(r"([0-9a-f]{10}-[0-9a-f]+)\.[0-9a-f]+", re.ASCII)


class _Process:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.name = secrets.token_hex(5)
        self.nodes = itertools.count(1)


_process = _Process()
os.register_at_fork(after_in_child=_process.begin)


def new_node() -> str:
    """The name of another node of this process."""
    return f"{_process.name}-{next(_process.nodes):x}"


def process_of(node: str) -> str:
    """The process that `node` is of."""
    return node.partition("-")[0]


def is_here(node: str) -> bool:
    """Whether `node` is, or was, of this process."""
    return process_of(node) == _process.name


def node_of(address: str) -> str | None:
    """The node that owns `address`; `None` for what is none of our addresses."""
    found = _ADDRESS.fullmatch(address)
    return found[1] if found else None
