"""Names of processes, of the nodes in them, and addresses of connections.

3f9a0c1b2d        a process; a forked child gets a name of its own
3f9a0c1b2d-1      a node: one event loop of the process, or its publisher
3f9a0c1b2d-1.5f   an address: one connection of that node
"""

import itertools
import os
import re
import secrets

__all__ = ["is_here", "new_node", "node_of", "process_of"]

_ADDRESS = re.compile(r"([0-9a-f]{10}-[0-9a-f]{1,16})\.[0-9a-f]{1,16}", re.ASCII)


class _Process:
    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.name = secrets.token_hex(5)
        self.node_numbers = itertools.count(1)


_process = _Process()
os.register_at_fork(after_in_child=_process.begin)


def new_node() -> str:
    """Return a new node name of this process."""
    return f"{_process.name}-{next(_process.node_numbers):x}"


def process_of(node: str) -> str:
    """Return the name of the process of `node`."""
    return node.partition("-")[0]


def is_here(node: str) -> bool:
    """Return whether `node` is, or was, a node of this process."""
    return process_of(node) == _process.name


def node_of(address: str) -> str | None:
    """Return the node that owns `address`, or `None` if `address` is not an address."""
    match = _ADDRESS.fullmatch(address)
    return match[1] if match else None
