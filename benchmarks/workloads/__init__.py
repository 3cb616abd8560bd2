"""What a peer does over and over while its CPU time is measured, in a process of its own."""

from typing import Any

from ..peers import Peer
from . import connecting, exchanges, observing, sending
from .base import Workload

__all__ = ["WORKLOADS", "Workload", "make"]

WORKLOADS: dict[str, type[Workload]] = {
    "exchange": exchanges.Exchange,
    "connect": connecting.Connect,
    "fan-out": sending.FanOut,
    "send to addresses": sending.SendToAddresses,
    "observer": observing.ObserverHandlers,
}


def make(peer: Peer, name: str, **options: Any) -> Workload:
    """Return the workload `name` of `peer`."""
    return WORKLOADS[name](peer, **options)
