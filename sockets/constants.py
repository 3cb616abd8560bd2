"""Words and numbers that several rooms of `sockets` share."""

__all__ = ["BOT", "GOT_HELLO", "HELLO", "PATH_LENGTH", "PING", "RECONNECT"]

HELLO, GOT_HELLO, PING, RECONNECT = "HELLO", "GOT_HELLO", "PING", "RECONNECT"
"""The types of message that every handler knows."""

BOT = "bot-"
"""How the addresses of those begin who only look like connections; nothing is sent to them."""

PATH_LENGTH = 255
"""The longest path that a row can hold."""
