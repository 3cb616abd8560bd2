"""What went wrong between processes, counted since this process began."""

import os
import threading

__all__ = ["Counts", "counts"]


class Counts:
    """How often each happened. `add` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.missed = 0
        """Messages of other processes that never came here."""
        self.undelivered = 0
        """Messages that could not be handed to the channel layer."""
        self.outages = 0
        """How often the channel layer was lost."""
        self.unreadable = 0
        """Packets of another release that this one passes over."""

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more of `name`."""
        with self._lock:
            setattr(self, name, getattr(self, name) + number)

    def renew_lock(self) -> None:
        """A fork may have copied it locked."""
        self._lock = threading.Lock()


counts = Counts()
os.register_at_fork(after_in_child=counts.renew_lock)
