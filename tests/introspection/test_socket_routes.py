"""`manage.py socket_routes` and the descriptions that it prints."""

import json

import pytest
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.management import call_command
from django.urls import include as urls
from django.urls import path, re_path

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.introspection.sockets import describe_sockets, sockets_at
from rest_channels.multiplexer import Multiplexer
from rest_channels.permissions import IsAuthenticated
from rest_channels.routing import SocketApplication, include, route, route_class
from rest_channels.views import SocketView
from sockets import SocketRouter


class Tickets(AsyncAPIConsumer):
    """The tickets of a shop."""

    permission_classes = [IsAuthenticated]

    @action()
    def escalate(self, pk: int, reason=""):
        """Escalate a ticket."""


class Editor(SocketView):
    async def receive(self, request, **kwargs): ...


class Table:
    socket = SocketRouter()

    @socket.route("SIT")
    def on_sit(socket, content): ...


lobby = SocketRouter()


@lobby.connect
def on_lobby(socket): ...


def on_message(message, room): ...


application = SocketApplication([path("tickets/<slug:shop>/", Tickets.as_asgi())])


def paths(routes):
    return [each.path for each in describe_sockets([SocketApplication(routes)])]


def test_paths_are_readable_however_they_are_routed() -> None:
    view = Editor.as_asgi()
    routes = [
        path("a/", urls([path("<int:pk>/", view)])),
        re_path(r"^b/(?P<name>\w+)/$", view),
        path("c/", URLRouter([re_path(r"d/(?P<number>\d+)/?$", view)])),
        route("websocket.receive", on_message, path=r"^/e/(?P<room>\w+)/$"),
        include([route_class(Editor, path=r"^/(?P<name>\w+)/$")], path="^/f"),
    ]
    assert paths(routes) == [
        "/a/<int:pk>/",
        "/b/<name>/",
        "/c/d/<number>/",
        "/e/<room>/",
        "/f/<name>/",
    ]


def test_a_description_has_what_the_class_says() -> None:
    (found,) = describe_sockets([application])
    assert found.name == f"{__name__}.Tickets"
    assert (found.dialect, found.description) == ("action", "The tickets of a shop.")
    assert found.permissions == ("IsAuthenticated",)
    assert [(each.name, each.annotation) for each in found.path_arguments] == [("shop", str)]
    assert [each.name for each in found.operations] == ["escalate"]


def test_attributes_that_as_asgi_was_given_count() -> None:
    routes = [path("", Tickets.as_asgi(permission_classes=[]))]
    (found,) = describe_sockets([SocketApplication(routes)])
    assert found.permissions == ()


def test_a_router_is_named_after_its_page() -> None:
    (found,) = describe_sockets([SocketApplication([path("", Table.socket.as_asgi())])])
    assert found.name == f"{__name__}.Table.socket"
    assert (found.dialect, [each.name for each in found.operations][-1]) == ("type", "SIT")


def test_a_router_of_a_module_is_named_after_its_variable() -> None:
    (found,) = describe_sockets([SocketApplication([path("", lobby.as_asgi())])])
    assert found.name == f"{__name__}.lobby"


def test_a_router_without_a_variable_is_named_after_its_class() -> None:
    router = SocketRouter()

    @router.route("SIT")
    def on_sit(socket, content): ...

    (found,) = describe_sockets([SocketApplication([path("", router.as_asgi())])])
    assert found.name == f"{__name__}.SocketRouter()"


def test_the_streams_of_a_multiplexer_are_sockets_with_one_path() -> None:
    streams = Multiplexer(tickets=Tickets.as_asgi(), editor=Editor.as_asgi())
    found = describe_sockets([SocketApplication([path("all/", streams)])])
    assert [(each.path, each.stream) for each in found] == [
        ("/all/", "tickets"),
        ("/all/", "editor"),
    ]


def test_a_foreign_application_is_named_and_nothing_else_is_claimed() -> None:
    async def echo(scope, receive, send):
        """Send each frame back."""

    (found,) = describe_sockets([SocketApplication([path("", echo)])])
    assert (found.cls, found.dialect, found.operations) == (None, "", ())
    assert found.name.endswith("echo")


def test_sockets_of_a_site_without_socket_application_are_found() -> None:
    site = ProtocolTypeRouter({"websocket": URLRouter([path("chat/", SocketConsumer.as_asgi())])})
    assert [each.path for each in describe_sockets([site])] == ["/chat/"]


@pytest.fixture
def printed(settings, capsys):
    """Return what the command prints for the sockets of this module."""
    settings.ASGI_APPLICATION = f"{__name__}.application"

    def run(*options):
        call_command("socket_routes", *options)
        return capsys.readouterr().out

    return run


def test_the_command_prints_paths_classes_permissions_and_frames(printed) -> None:
    assert printed().splitlines()[:3] == [
        "/tickets/<slug:shop>/",
        f"    {__name__}.Tickets [IsAuthenticated]",
        "        action escalate(pk, reason?)",
    ]


def test_the_command_prints_json(printed) -> None:
    (socket,) = [
        each for each in json.loads(printed("--json")) if each["class"].endswith("Tickets")
    ]
    assert socket["path_arguments"][0] == {
        "name": "shop",
        "type": "str",
        "required": True,
        "help_text": "",
    }
    (escalate,) = socket["operations"]
    assert escalate["arguments"][0]["type"] == "int"


def test_the_command_says_what_is_missing_where_there_are_no_sockets(printed, settings) -> None:
    settings.ASGI_APPLICATION = None
    assert "ASGI_APPLICATION" in printed()


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("/tickets/a/", ["Tickets"]),
        ("/all/", ["Tickets", "Editor"]),
        ("/rooms/7/", ["on_message"]),
        ("/sixth/", ["Editor"]),
        ("/no/where/", []),
    ],
)
def test_the_sockets_at_a_path_are_those_that_would_serve_it(where, names) -> None:
    routes = [
        path("tickets/<slug:shop>/", Tickets.as_asgi()),
        path("all/", Multiplexer(tickets=Tickets.as_asgi(), editor=Editor.as_asgi())),
        route("websocket.receive", on_message, path=r"^/rooms/(?P<room>\w+)/$"),
        route_class(Editor, path=r"^/(?P<name>\w+)/$"),
    ]
    found = sockets_at(SocketApplication(routes), {"type": "http", "path": where})
    assert [each.name.rpartition(".")[2] for each in found] == names
