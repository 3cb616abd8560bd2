"""The methods with which a view sends: to its client, to a group, to any channel."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.utils.functional import cached_property

from ..concurrency.awaitables import DONE, Sent, adapt_overrides
from ..engine.connection import Connection
from ..engine.publish import publish
from ..engine.publish_kept import publish_kept
from ..engine.unconnected import unconnected
from ..exceptions import CloseCode
from ..history.policy import history_of
from ..partitions import group_name
from ..protocol.messages import Event
from ..renderers import JSONRenderer, encode_text
from ..request import SocketRequest
from ..settings import api_settings

__all__ = ["SendingMixin"]

RENDER = JSONRenderer.render
"""The method as it is defined: a test may replace it."""

SENDING_METHODS = ("accept", "broadcast", "close", "join", "leave", "send", "send_json")


class SendingMixin:
    """The sending methods of a view, for `def` and `async def`; awaiting them is optional.

    Attributes:
        text_renderer_class: Makes text frames. `None`: `DEFAULT_TEXT_RENDERER_CLASS`.
        bytes_renderer_class: Makes binary frames. `None`: `DEFAULT_BYTES_RENDERER_CLASS`.
    """

    text_renderer_class: Any = None
    bytes_renderer_class: Any = None

    overrides_sending: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        base = SendingMixin
        cls.overrides_sending = cls.send is not base.send or cls.send_json is not base.send_json
        adapt_overrides(cls, SENDING_METHODS, "_perform")

    request: SocketRequest
    _given_connection: Connection | None = None  # by a unit test

    @property
    def connection(self) -> Connection:
        """The connection that this handles an event of: that of its request."""
        if self._given_connection is not None:
            return self._given_connection
        try:
            return self.request.connection
        except AttributeError:  # a unit test has made the instance
            return self._unconnected

    @connection.setter
    def connection(self, connection: Connection) -> None:
        self._given_connection = connection

    @cached_property
    def _unconnected(self) -> Connection:
        return unconnected(self)

    @property
    def state(self) -> dict[str, Any]:
        """A dict that lives as long as the connection."""
        return self.connection.view_state

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """Accept the handshake before `connect` returns, for example to choose a subprotocol."""
        return self.connection.accept(subprotocol, headers)

    def join(self, group: str) -> Sent:
        """Add this connection to `group`.

        Messages from other processes arrive once this was awaited, has returned in a `def`, or
        `connect` has returned.
        """
        return self.connection.groups.join(group)

    def leave(self, group: str) -> Sent:
        """Remove this connection from `group`."""
        self.connection.groups.leave(group)
        return DONE

    def broadcast(self, group: str, data: Any) -> Sent:
        """Send `data` to every member of `group`. It is rendered once."""
        name = group_name(group, self.connection.partition)
        event = Event.rendered(name, data, self.render_text(data))
        if (history := history_of(group)) is not None:
            return publish_kept(event, history)
        return self.connection.loop_bridge.call(publish, event)  # in order, in threads too

    def send_json(self, data: Any) -> Sent:
        """Send `data` to this connection's client."""
        return self.connection.send(text=self.render_text(data))

    def send(
        self,
        channel_or_group: Any,
        data: Any,
        content_type: str = "text",
        close: bool | int = False,
    ) -> Sent:
        """Render `data` and send it to a `Channel` or a `Group`. Source: the rest_channels README.

        Args:
            channel_or_group: Where to send it.
            data: What the renderer takes; `bytes` are sent as they are if binary.
            content_type: `"text"` or `"binary"`.
            close: `True` or a close code, to close the connections afterwards.

        Raises:
            ValueError: For another content type.
        """
        if content_type == "text":
            content: dict[str, Any] = {"text": self.render_text(data)}
        elif content_type in ("binary", "bytes"):
            content = {"bytes": self.render_bytes(data)}
        else:
            raise ValueError(f"content_type is {content_type!r}. Use 'text' or 'binary'.")
        sent: Sent = channel_or_group.send({**content, "close": close})
        return sent

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """Close the connection after the frames that were sent until now."""
        return self.connection.close(code, reason)

    def render_text(self, data: Any) -> str:
        """Return `data` as the text of a frame."""
        renderer = self.text_renderer_class or api_settings.DEFAULT_TEXT_RENDERER_CLASS
        if renderer is JSONRenderer and JSONRenderer.render is RENDER:  # in two calls less
            return encode_text(data)
        text: str | bytes = _rendered(renderer, data)
        return text.decode() if isinstance(text, bytes) else text

    def render_bytes(self, data: Any) -> bytes:
        """Return `data` as the bytes of a frame. Only bytes need no renderer."""
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        renderer = self.bytes_renderer_class or api_settings.DEFAULT_BYTES_RENDERER_CLASS
        if renderer is None:
            view, kind = type(self).__name__, type(data).__name__
            raise TypeError(
                f"{view} cannot send {kind} as a binary frame. Send bytes, or set its "
                "bytes_renderer_class, or REST_CHANNELS['DEFAULT_BYTES_RENDERER_CLASS']."
            )
        data = _rendered(renderer, data)
        return data.encode() if isinstance(data, str) else data

    def _perform(self, work: Any) -> Sent:
        return self.connection.loop_bridge.start_or_wait(work)


def _rendered(renderer: Any, data: Any) -> Any:
    """Return what the class `renderer` makes of `data`. Raise `TypeError` for nothing."""
    if (content := renderer().render(data)) is None:
        raise TypeError(f"{renderer!r} has rendered None, not the content of a frame.")
    return content
