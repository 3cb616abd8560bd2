"""Applications of others inside a `SocketApplication`: their lifespan, and their routers."""

import asyncio

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import include, path, re_path

from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Server:
    """The server's side of a lifespan."""

    def __init__(self, http):
        self.application = SocketApplication([], http=http)
        self.incoming, self.sent, self.state = asyncio.Queue(), asyncio.Queue(), {}

    async def run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        await self.application(scope, self.incoming.get, self.sent.put)

    async def exchange(self, event):
        await self.incoming.put({"type": f"lifespan.{event}"})
        message = await asyncio.wait_for(self.sent.get(), 2)
        return message["type"].removeprefix("lifespan."), message.get("message")


async def start_and_stop(http):
    server = Server(http)
    task = asyncio.create_task(server.run())
    results = [await server.exchange("startup")]
    if results[0][0] == "startup.complete":
        results.append(await server.exchange("shutdown"))
    await asyncio.wait({task})
    if task.exception() is not None:
        assert results[-1][0] == "startup.failed"
    return server, [result for result, _message in results], results[-1][1]


COMPLETE = ["startup.complete", "shutdown.complete"]


async def test_the_http_application_is_started_and_stopped_with_the_servers_state() -> None:
    happened = []

    async def http(scope, receive, send):
        happened.append((await receive())["type"])
        scope["state"]["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        happened.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    server, results, _message = await start_and_stop(http)
    assert results == COMPLETE
    assert server.state == {"pool": "open"}
    assert happened == ["lifespan.startup", "lifespan.shutdown"]


async def test_a_failed_startup_of_the_http_application_is_reported_with_its_message() -> None:
    async def http(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no model file"})

    assert (await start_and_stop(http))[1:] == (["startup.failed"], "no model file")


async def test_an_error_after_the_startup_was_received_is_a_failed_startup() -> None:
    async def http(scope, receive, send):
        await receive()
        raise OSError("no disk")

    _server, results, message = await start_and_stop(http)
    assert results == ["startup.failed"]
    assert "no disk" in message


async def test_a_failed_shutdown_of_the_http_application_is_reported() -> None:
    async def http(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise OSError("still busy")

    _server, results, message = await start_and_stop(http)
    assert (results, message) == (["startup.complete", "shutdown.failed"], "still busy")


async def returns_at_once(scope, receive, send):
    return


async def waits_and_returns(scope, receive, send):
    await receive()


async def answers_everything_with_a_page(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    "http",
    [
        None,
        get_asgi_application(),
        ProtocolTypeRouter({"http": get_asgi_application()}),
        returns_at_once,
        waits_and_returns,
        answers_everything_with_a_page,
    ],
)
async def test_an_http_application_without_a_lifespan_is_left_alone(http) -> None:
    assert (await start_and_stop(http))[1] == COMPLETE


class Ours(SocketView):
    """Sends its arguments and the rest of the path."""

    async def connect(self, request, *args, **kwargs):
        self.send_json([list(args), kwargs, request.scope.get("path_remaining")])


class Theirs(AsyncJsonWebsocketConsumer):
    """Does the same as a consumer of Channels."""

    async def connect(self):
        await self.accept()
        route = self.scope["url_route"]
        rest = self.scope["path_remaining"]
        await self.send_json([list(route["args"]), route["kwargs"], rest])


# Channels' consumers close old database connections.
pytestmark = pytest.mark.django_db(transaction=True)

APPLICATIONS = pytest.mark.parametrize("app", [Ours.as_asgi(), Theirs.as_asgi()])


async def found(routes, where):
    socket = SocketCommunicator(SocketApplication(routes), where)
    accepted, _subprotocol = await socket.connect()
    seen = await socket.receive_json() if accepted else None
    await socket.disconnect()
    return seen


@APPLICATIONS
async def test_the_paths_of_a_router_of_channels_continue_those_of_the_list(app) -> None:
    inner = URLRouter(
        [path("b/<int:pk>/", app, {"x": 1}), re_path(r"^c/(\w+)", app), path("", app)]
    )
    routes = [path("a/<slug:shop>/", inner)]
    assert await found(routes, "/a/s/b/7/") == [[], {"shop": "s", "pk": 7, "x": 1}, ""]
    assert await found(routes, "/a/s/c/k/") == [["k"], {"shop": "s"}, "/"]
    assert await found(routes, "/a/s/") == [[], {"shop": "s"}, ""]
    assert await found(routes, "/a/s/d/") is None


@APPLICATIONS
async def test_routers_and_includes_are_nested_in_any_depth(app) -> None:
    deep = URLRouter([path("c/<int:n>/", URLRouter([path("d/", app)]))])
    routes = [path("a/", include([path("b/<str:name>/", deep)])), re_path("^a/", deep)]
    assert await found(routes, "/a/b/x/c/5/d/") == [[], {"name": "x", "n": 5}, ""]
    assert await found(routes, "/a/c/6/d/") == [[], {"n": 6}, ""]


async def test_a_router_without_a_route_leaves_the_path_to_the_next_entry() -> None:
    routes = [path("a/", URLRouter([path("b/", Ours.as_asgi())])), path("a/c/", Ours.as_asgi())]
    assert await found(routes, "/a/c/") == [[], {}, ""]


async def test_a_router_of_another_class_refuses_paths_without_a_route() -> None:
    class Router(URLRouter):
        """A subclass may override anything, so it is called and not looked into."""

    routes = [path("a/", Router([path("b/", Ours.as_asgi())]))]
    assert await found(routes, "/a/b/") == [[], {}, ""]
    assert await found(routes, "/a/c/") is None
