"""Between a connection and the views people write: what happens becomes a request, and a visit."""

from collections.abc import Awaitable
from typing import Any

from .connection import Connection
from .dispatch import Target, Visit, dispatch
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
        request = SocketRequest(self.connection, "disconnect", order=self.frames + 1)
        request.code = code
        await self.handle(request)


class ViewFace(RequestFace):
    """A connection whose every event is a call of one `view(request, *args, **kwargs)`."""

    def __init__(self, connection: Connection, view: Any) -> None:
        super().__init__(connection)
        self.view = view
        self.intercepts = view.view_class.overrides_sending
        route = connection.scope.get("url_route", {})
        self.args = route.get("args", ())
        self.kwargs = route.get("kwargs", {})

    async def handle(self, request: SocketRequest) -> None:
        await self.view(request, *self.args, **self.kwargs)

    async def event(self, event: Event) -> None:
        """What a group says goes through the `send_json` that the view overrides."""
        view = self.view.view_class(**self.view.view_initkwargs)
        view.request = SocketRequest(self.connection, "receive")
        await dispatch(Overheard(view, event))


class ViewVisit(Visit):
    """One event of a view: the steps of the road, as methods of the view."""

    def __init__(self, view: Any, request: SocketRequest) -> None:
        self.connection = request.connection
        self.event = request.event
        self.envelope = view.envelope
        self.view = view
        self.request = request

    def open(self) -> Call:
        call: Call = self.view.get_call()
        self.request.call = call
        return call

    def route(self) -> Target:
        handler, args = self.view.get_handler()
        return handler, (*args, *self.view.args), self.view.kwargs

    def permit(self) -> Awaitable[None] | None:
        if self.event == "disconnect":  # who may no longer stay must still be able to leave
            return None
        return permit(self.view.get_permissions(), self.request, self.view)

    def throttle(self) -> Awaitable[None] | None:
        if self.event == "disconnect":
            return None
        return throttle(self.view.get_throttles(), self.request, self.view)

    def reply(self, result: Any) -> Reply | None:
        if result is None or self.event != "receive" or not self.view.answers:
            return None
        if type(result) is tuple and len(result) == 2 and isinstance(result[1], int):
            return Reply(self.call, *result)
        return Reply(self.call, result)

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

    def route(self) -> Target:
        return self.view.send_json, (self.said.data,), {}

    def permit(self) -> None:
        """Asked when it joined."""

    def throttle(self) -> None:
        """Not the client's doing."""
