"""Many consumers on one WebSocket."""

from .multiplexer import Multiplexer

__all__ = ["Multiplexer"]
