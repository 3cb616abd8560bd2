"""The applications of `guarded`, with one promise more in each step, for `benchmarks.promises`.

Each step is a subclass, which replaces what the promise changes.
"""

import asyncio
from inspect import CO_COROUTINE
from typing import Any

import orjson
from rest_framework.permissions import AllowAny

from rest_channels.protocol.messages import Call
from rest_channels.settings import api_settings

from ..driver import Application, Receive, Scope, Send
from . import guarded
from .base import Peer


def echo(content: Any) -> Any:
    """Answer an echo as `bare` does."""
    if content["method"] == "echo":
        return {"method": "echo", "data": content["data"], "status": 200}
    return {"method": content["method"], "data": None, "status": 405}


def action(content: Any) -> Any:
    """Answer an action as `bare` does."""
    name, request_id = content["action"], content["request_id"]
    if name == "echo":
        reply = {"errors": [], "data": content["data"], "action": name, "response_status": 200}
    else:
        reply = {"errors": ["no"], "data": None, "action": name, "response_status": 405}
    return {**reply, "request_id": request_id}


class Limits(guarded.Connection):
    """Limits on the size of a frame, and on the rates of frames and bytes."""

    async def serve(self) -> None:
        """Read a frame, and answer it before the next one."""
        await self.receive()
        await self.transmit({"type": "websocket.accept"})
        while (message := await self.receive())["type"] == "websocket.receive":
            text = message["text"]
            if not self.admits(len(text) if text.isascii() else len(text.encode())):
                await self.transmit({"type": "websocket.close", "code": 4429})
                break
            await self.handle(text)

    async def handle(self, text: str) -> None:
        """Parse, call the function, render, send."""
        await self.answer(orjson.dumps(self.handler(orjson.loads(text))).decode())

    async def answer(self, text: str) -> None:
        """Send a frame, however slowly the client reads."""
        await self.transmit({"type": "websocket.send", "text": text})


class Errors(Limits):
    """Whatever is raised is answered."""

    async def handle(self, text: str) -> None:
        """Answer an exception with the status 500."""
        try:
            answer = self.handler(orjson.loads(text))
        except Exception:  # noqa: BLE001 - answered
            answer = {"data": None, "status": 500}
        await self.answer(orjson.dumps(answer).decode())


class Outbox(Errors):
    """What a client has not read yet is bounded."""

    answer = guarded.Connection.answer


class Reading(Outbox):
    """Reading waits for no handler: order, a bounded inbox, departures are noticed, a deadline."""

    serve = guarded.Connection.serve

    def start(self, text: str) -> None:
        """Handle a frame in an eager task, and then those that wait."""
        self.watch(asyncio.Task(self.handle(text), loop=self.loop, eager_start=True))


class Context(Reading):
    """Each frame has its own context: language, time zone, what handlers set."""

    start = guarded.Connection.start


class Checks(guarded.Connection):
    """What the library looks at for each frame as well, even where it mostly finds nothing.

    The state of the connection, a control frame, the depth of the JSON, whether the user is being
    read again, the permissions that Django keeps with the user, those of the settings, the
    throttles, and groups that are being joined.
    """

    identity_check = close_code = None
    all_joined = True

    def start(self, text: str) -> None:
        """Check, then handle a frame."""
        if self.close_code or (len(text) < 64 and '"$ping"' in text):
            return
        if len(text) > 128 and text.count("[") + text.count("{") > api_settings.MAX_DEPTH:
            return
        user = self.scope.get("user")
        if user is not None and (kept := vars(user)):
            for name in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
                kept.pop(name, None)
        permissions = api_settings.DEFAULT_PERMISSION_CLASSES
        is_open = permissions == [AllowAny] and not api_settings.DEFAULT_THROTTLE_CLASSES
        if is_open and self.identity_check is None and self.all_joined:
            super().start(text)


class Request:
    """The request of a frame, which parses it when its data are asked for."""

    parser_class: Any = None

    def __init__(self, connection: guarded.Connection, text: str) -> None:
        self.connection, self.text, self.call, self.parsed = connection, text, None, None

    @property
    def data(self) -> Any:
        """The data, parsed once."""
        if self.parsed is None:
            parser = self.parser_class or api_settings.DEFAULT_TEXT_PARSER_CLASS
            self.parsed = parser().parse(self.text)
        return self.parsed


class Dialect:
    """How a frame names its method, and how it is answered."""

    key = "method"

    def parse_call(self, content: Any) -> Call:
        """Return the call that a frame makes."""
        name = content.get(self.key)
        if type(name) is not str or len(name) > api_settings.MAX_NAME_LENGTH:
            name = None
        return Call(name, content.get("data"), content.get("request_id"))

    def build_reply(self, call: Call, data: Any, status: int) -> Any:
        """Return the content of an answer."""
        if call.request_id is None:
            return {self.key: call.name, "data": data, "status": status}
        return {self.key: call.name, "data": data, "status": status, "id": call.request_id}


class View:
    """A view with a method for each step, which a class may override."""

    dialect = Dialect()
    routes: Any = {"echo": "echo"}
    renderer_class: Any = None

    def __init__(self, request: Request) -> None:
        self.request = request

    def find_handler(self) -> tuple[Any, tuple[Any, ...]]:
        """Return the method that the frame names, and its arguments."""
        request = self.request
        request.call = call = self.dialect.parse_call(request.data)
        return getattr(self, self.routes[call.name]), (request, call.data)

    def check(self) -> bool:
        """Return whether no permission class of the view refuses."""
        return True

    def render_result(self, result: Any) -> str:
        """Return the answer: to data, or to data and a status."""
        status = 200
        if type(result) is tuple:
            result, status = result
        return self.render_text(self.dialect.build_reply(self.request.call, result, status))

    def render_text(self, content: Any) -> str:
        """Return the text of a frame."""
        renderer = self.renderer_class or api_settings.DEFAULT_TEXT_RENDERER_CLASS
        return renderer().render(content)

    async def echo(self, request: Request, data: Any) -> Any:
        """Answer with the same data."""
        return data


class Steps(Checks):
    """The steps of `View`: a request, a dialect, a parser and a renderer that may be replaced."""

    async def handle(self, text: str) -> None:
        """Take the steps of one frame."""
        try:
            view = View(Request(self, text))
            handler, arguments = view.find_handler()
            if not view.check() or not handler.__code__.co_flags & CO_COROUTINE:
                return
            answer = view.render_result(await handler(*arguments))
        except Exception:  # noqa: BLE001 - answered
            answer = '{"data":null,"status":500}'
        await self.answer(answer)


class OpenActions(guarded.Actions):
    """Actions without a permission."""

    permissions = ()


#: What a step adds, in their order; how it handles a connection, and the handlers of both
#: applications. The last but one is `guarded`.
STEPS: tuple[tuple[str, type[guarded.Connection], Any, Any], ...] = (
    ("limits on the size and the rates of frames", Limits, echo, action),
    ("an answer to every error", Errors, echo, action),
    ("a bounded outbox", Outbox, echo, action),
    ("reading never waits for a handler: a task, order, bounds, a deadline", Reading, echo, action),
    ("a context for each frame", Context, echo, action),
    (
        "an object for each frame, methods found by name",
        guarded.Connection,
        guarded.Echo,
        OpenActions,
    ),
    ("a permission class", guarded.Connection, None, guarded.Actions),
    ("what has to be looked at for each frame", Checks, guarded.Echo, guarded.Actions),
    ("steps that a class may override, a parser, a dialect, a renderer", Steps, guarded.Echo, None),
)


def make(connection: type[guarded.Connection], handler: Any) -> Application:
    """Return the application of one step."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await connection(scope, receive, send, handler).serve()

    return application


def applications() -> dict[str, Application]:
    """Return all steps: `"echo 0"`, `"actions 0"` and so on."""
    found = {}
    for number, (_label, connection, *handlers) in enumerate(STEPS):
        for name, handler in zip(("echo", "actions"), handlers, strict=True):
            if handler is not None:
                found[f"{name} {number}"] = make(connection, handler)
    return found


PEER = Peer("promises", applications())
