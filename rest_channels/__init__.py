"""REST Channels: class-based Django views and consumers for WebSockets."""

__version__ = "0.1.0"
