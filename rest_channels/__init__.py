"""REST Channels: Django's class-based world over WebSockets."""

__version__ = "0.1.0"
