"""Between a connection and the views people write: whatever happens becomes a request."""

from collections.abc import Awaitable
from typing import Any

from .connection import Connection
from .decorators import route_name
from .dispatch import DirectVisit, Target, dispatch
from .messages import Event, Frame, Gap
from .request import SocketRequest

__all__ = ["RequestFace", "ViewFace"]


class RequestFace:
    """Makes a `SocketRequest` of whatever happens and hands it to `handle`."""

    intercepts = False
    minds_gaps = False

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.frames = 0

    def handle(self, request: SocketRequest) -> Awaitable[None]:
        """Let the right code see `request`; it handles its own errors."""
        raise NotImplementedError

    def connect(self) -> Awaitable[None]:
        """The handshake, as a request."""
        return self.handle(SocketRequest(self.connection, "connect"))

    def receive(self, frame: Frame) -> Awaitable[None]:
        """A frame, as a request."""
        self.frames += 1
        return self.handle(SocketRequest(self.connection, "receive", frame, self.frames))

    async def event(self, event: Event | Gap) -> None:
        """What a group says is for the client only."""
        if isinstance(event, Event):
            self.connection.say(event)

    async def disconnect(self, code: int) -> None:
        """The end, as a request."""
        request = SocketRequest(self.connection, "disconnect", None, self.frames + 1)
        request.code = code
        await self.handle(request)


class ViewFace(RequestFace):
    """A connection whose every event is a call of one `view(request, *args, **kwargs)`."""

    def __init__(self, connection: Connection, view: Any) -> None:
        super().__init__(connection)
        self.view = view
        self.intercepts = view.view_class.overrides_sending
        gap = getattr(view.view_class, "gap", None)
        self.minds_gaps = gap is not None and route_name(gap) is None
        route = connection.scope.get("url_route", {})
        self.args = route.get("args", ())
        self.kwargs = route.get("kwargs", {})

    def handle(self, request: SocketRequest) -> Awaitable[None]:
        result: Awaitable[None] = self.view(request, *self.args, **self.kwargs)
        return result

    async def event(self, event: Event | Gap) -> None:
        """What a group says goes through the `send_json` that the view overrides.

        A gap is its `gap(request, groups, *args, **kwargs)`.
        """
        view = self.view.view_class(**self.view.view_initkwargs)
        view.connection = self.connection
        view.request = SocketRequest(self.connection, "event")
        target: Target
        if isinstance(event, Gap):
            target = (view.gap, (view.request, event.groups, *self.args), self.kwargs)
        elif event.data is None:
            self.connection.pass_on(event)
            return
        elif event.size:
            target = (view.send_json, (event.data,), {})
        else:
            return  # it is for a consumer's method
        await dispatch(DirectVisit(self.connection, "event", target))
