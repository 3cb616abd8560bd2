"""What a peer is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ..driver import PLAIN, Application, Handshake

SendJSON = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Peer:
    """One way to write the applications, which are found by name."""

    name: str
    applications: Mapping[str, Application]
    #: What the peer's protocol needs when a socket connects.
    handshake: Handshake = PLAIN
    #: Frames and answers by application, of a peer with a protocol of its own.
    frames: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    #: Packages whose versions are reported.
    packages: Sequence[str] = ()
    #: Send to a group: `send(group, content)` in a thread, `asend` on an event loop.
    send: Callable[[str, Any], object] | None = None
    asend: Callable[[str, Any], Awaitable[None]] | None = None
    #: Return a function that sends JSON to all open sockets, whose addresses it knows.
    find_addresses: Callable[[], Awaitable[SendJSON]] | None = None
    #: Send the signal that the application "observer handlers" observes.
    send_signal: Callable[[int], object] | None = None
    #: A context manager around a save that this peer observes.
    observing: Callable[[], AbstractContextManager[None]] = nullcontext

    def __getitem__(self, name: str) -> Application:
        return self.applications[name]
