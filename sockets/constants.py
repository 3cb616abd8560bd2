"""Names and limits that several modules of `sockets` share."""

__all__ = ["BOT_PREFIX", "GOT_HELLO", "HELLO", "PATH_LENGTH", "PING", "RECONNECT"]

HELLO, GOT_HELLO, PING, RECONNECT = "HELLO", "GOT_HELLO", "PING", "RECONNECT"
"""The built-in message types."""

BOT_PREFIX = "bot-"
"""The prefix of `channel_name` for rows without a connection. Nothing is sent to them."""

PATH_LENGTH = 255
"""The longest path that a row can hold, in characters."""
