"""Messages of groups that are kept, for clients that were away: docs/recovery.md."""

from .policy import History

__all__ = ["History"]
