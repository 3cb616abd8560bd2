"""Counts of failures between server processes, since this process began."""

import os
import threading

__all__ = ["Counts", "counts"]


class Counts:
    """How often each kind of failure has happened. `add` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.missed = 0
        """Messages of other processes that never arrived here."""
        self.undelivered = 0
        """Messages that could not be handed to the channel layer."""
        self.outages = 0
        """How often the channel layer was lost."""
        self.unreadable = 0
        """Packets of another release that this release ignores."""
        self.unkept = 0
        """Messages of groups with a history that the store did not take."""
        self.mended = 0
        """Lists of live queries that were found to be outdated when they were read in any case."""

    def add(self, name: str, number: int = 1) -> None:
        with self._lock:
            setattr(self, name, getattr(self, name) + number)

    def renew_lock(self) -> None:
        """Replace the lock, which a fork may have copied in its locked state."""
        self._lock = threading.Lock()


counts = Counts()
os.register_at_fork(after_in_child=counts.renew_lock)
