"""Many consumers on one socket: frames are `{"stream", "payload"}`."""

from .multiplexer import Multiplexer

__all__ = ["Multiplexer"]
