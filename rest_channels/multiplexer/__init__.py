"""Many consumers on one WebSocket, with frames `{"stream", "payload"}`."""

from .multiplexer import Multiplexer

__all__ = ["Multiplexer"]
