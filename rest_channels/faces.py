"""Between a connection and the views people write: what happens becomes a request, and a visit."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .connection import Connection
from .dispatch import Visit, dispatch
from .envelopes import Plain
from .exceptions import EventNotAllowed
from .messages import Call, Event, Frame, Reply
from .permissions import permit
from .request import SocketRequest
from .throttling import throttle

__all__ = ["RequestFace", "ViewFace", "ViewVisit"]


class RequestFace:
    """Makes a `SocketRequest` of whatever happens and hands it to `handle`."""

    intercepts = False

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.frames = 0

    async def handle(self, request: SocketRequest) -> None:
        """Let the right code see `request`; it handles its own errors."""
        raise NotImplementedError

    async def connect(self) -> None:
        """The handshake, as a request."""
        await self.handle(SocketRequest(self.connection, "connect"))

    async def receive(self, frame: Frame) -> None:
        """A frame, as a request."""
        self.frames += 1
        await self.handle(SocketRequest(self.connection, "receive", frame, order=self.frames))

    async def event(self, event: Event) -> None:
        """What a group says is for the client only."""
        self.connection.say(event)

    async def disconnect(self, code: int) -> None:
        """The end, as a request."""
        order = self.frames + 1
        await self.handle(SocketRequest(self.connection, "disconnect", code=code, order=order))


class ViewFace(RequestFace):
    """A connection whose every event is a call of one `view(request, *args, **kwargs)`."""

    def __init__(self, connection: Connection, view: Any) -> None:
        super().__init__(connection)
        self.view = view
        self.intercepts = view.view_class.overrides_sending

    async def handle(self, request: SocketRequest) -> None:
        route = request.scope.get("url_route", _NO_ROUTE)
        await self.view(request, *route["args"], **route["kwargs"])

    async def event(self, event: Event) -> None:
        """What a group says goes through the `send_json` that the view overrides."""
        view = self.view.view_class(**self.view.view_initkwargs)
        view.request = SocketRequest(self.connection, "receive")
        await dispatch(Overheard(view, event))


_NO_ROUTE: dict[str, Any] = {"args": (), "kwargs": {}}


class ViewVisit(Visit):
    """One event of a view: the steps of the road, as methods of the view."""

    def __init__(self, view: Any, request: SocketRequest) -> None:
        super().__init__(request.connection, request.event)
        self.view = view
        self.request = request
        self.envelope = view.envelope

    def open(self) -> Call:
        self.request.call = self.view.get_call()
        return self.request.call

    def route(self) -> Callable[..., Any]:
        view = self.view
        handler = getattr(view, self.event, None)
        if handler is None:
            if self.event == "receive":
                raise EventNotAllowed(self.event)
            return _nothing
        return partial(handler, self.request, *view.args, **view.kwargs)

    async def permit(self) -> None:
        if self.event != "disconnect":  # who may no longer stay must still be able to leave
            await permit(self.view.get_permissions(), self.request, self.view)

    async def throttle(self) -> None:
        if self.event != "disconnect":
            await throttle(self.view.get_throttles(), self.request, self.view)

    def reply(self, result: Any) -> Reply | None:
        if result is None or isinstance(self.envelope, Plain) or self.event != "receive":
            return None
        data, status = result if _is_answer(result) else (result, 200)
        return Reply(self.call, data, status)

    def render(self, content: Any) -> str:
        text: str = self.view.render_text(content)
        return text

    def refuse(self, error: Exception) -> Reply:
        reply = super().refuse(error)
        return reply._replace(call=self.call._replace(request_id=self.request.request_id))


class Overheard(ViewVisit):
    """What a group says, for a view that overrides how things are sent."""

    def __init__(self, view: Any, event: Event) -> None:
        super().__init__(view, view.request)
        self.said = event

    def open(self) -> Call:
        return self.call

    def route(self) -> Callable[..., Any]:
        return partial(self.view.send_json, self.said.data)

    async def permit(self) -> None:
        """Asked when it joined."""

    async def throttle(self) -> None:
        """Not the client's doing."""


async def _nothing() -> None:
    """What happens on an event that a view leaves out."""


def _is_answer(result: Any) -> bool:
    return isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], int)
