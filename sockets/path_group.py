"""The group of all sockets on one path, which keeps its last messages.

    class Table(View):
        socket = SocketRouter(history=History(100))

        @socket.route("MOVE")
        def on_move(socket, content):
            socket.everyone.send_action("MOVED", **content)

A client that was away receives what it missed. The sockets of `peers()` are a query, so messages to
them are not kept.
"""

from hashlib import blake2b
from typing import Any, ClassVar

from rest_channels.concurrency.awaitables import Sent
from rest_channels.groups import Group
from rest_channels.history.policy import History, declare_histories
from rest_channels.protocol.dialects import with_timestamp
from rest_channels.renderers import encode_text

__all__ = ["HasPathGroup", "PathGroup", "check_history"]


def check_history(where: str, value: Any) -> None:
    """Raise `TypeError` if `value` is neither a `History` nor `None`."""
    if value is not None and not isinstance(value, History):
        raise TypeError(f"{where}history = {value!r} is no History: write History(size=100).")


def _prefix(handler_class: type) -> str:
    """Return what the names of the groups of `handler_class` begin with, in every process."""
    return f"path.{_digest(f'{handler_class.__module__}.{handler_class.__qualname__}')}."


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


class PathGroup(Group):
    """All sockets of one handler class on one path, this one included.

    Args:
        handler_class: A `RoutedSocketHandler` with a `history`.
        path: The path of the handshake.
    """

    def __init__(self, handler_class: type, path: str) -> None:
        super().__init__(f"{_prefix(handler_class)}{_digest(path)}")

    def send_action(self, type: str, /, **kwargs: Any) -> Sent:
        """Send `{**kwargs, "type": type}`."""
        return self.send_json({**kwargs, "type": type})

    def send_json(self, content: dict[str, Any]) -> Sent:
        """Send `content` as JSON with a `TIMESTAMP`. Raise `TypeError` if it is not a dict."""
        return self.send({"text": encode_text(with_timestamp(content))})


class HasPathGroup:
    """The part of a `RoutedSocketHandler` that sends to all sockets of its path.

    Attributes:
        history: What is kept of the messages to `everyone`, for clients that were away.
    """

    history: ClassVar[History | None] = None
    scope: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_history(f"{cls.__name__}.", cls.history)
        if cls.history is not None:
            declare_histories(cls, {f"{_prefix(cls)}*": cls.history})

    @property
    def everyone(self) -> PathGroup:
        """The sockets on this path, this one included, as a group that keeps its messages.

        Raises:
            RuntimeError: The class has no `history`.
        """
        if self.history is None:
            name = type(self).__qualname__
            raise RuntimeError(
                f"{name}.everyone needs a history: SocketRouter(history=History(100)), or the "
                "attribute history of the class. Without one, send to peers()."
            )
        return PathGroup(type(self), str(self.scope["path"]))
