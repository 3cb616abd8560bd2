"""The examples and lists of docs/views.md, consumers.md, actions.md, permissions.md, routing.md."""

import re
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from rest_framework.permissions import BasePermission

from rest_channels import consumers as library
from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.request import SocketRequest
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView

from .api import Notes
from .channel_routes import routing
from .lobby_chat import Chat
from .methods import Game
from .routing import urlpatterns
from .streams import urlpatterns as streams
from .test_pages import PAGES
from .test_reference_pages import rows


@pytest.fixture
async def root():
    return await User.objects.acreate_user("root", is_staff=True, is_superuser=True)


# Views.


async def test_the_game_answers_as_its_comments_say() -> None:
    async with SocketCommunicator(Game.as_asgi(), kwargs={"pk": 1}) as socket:
        await socket.send_json({"method": "move", "data": {"to": "e4"}})
        await socket.expect_event({"method": "move", "data": {"moved": "e4"}, "status": 200})
        await socket.expect_reply(await socket.call("give-up"), data={"sorry": True}, status=202)
        await socket.expect_event({"over": True})


@pytest.mark.parametrize(
    "frame",
    [
        {"method": "move"},
        {"method": "move", "data": {"to": "z9"}},
        {"method": "resign"},
        {},
    ],
)
async def test_an_invalid_move_or_method_is_answered_with_400(frame) -> None:
    async with SocketCommunicator(Game.as_asgi(), kwargs={"pk": 1}) as socket:
        await socket.send_json(frame)
        await socket.expect_event(status=400)


def test_the_methods_and_attributes_of_views_exist() -> None:
    for text in [row[0] for row in rows("views.md", "Method | Effect")]:
        for name in re.findall(r"self\.(\w+)\(", text):
            assert hasattr(SocketView, name)
    for text in [row[0] for row in rows("views.md", "Attribute")]:
        assert all(hasattr(SocketView, name) for name in re.findall(r"`(\w+)`", text))
    section = PAGES["views.md"].split("### The request")[1].split("\n## ")[0]
    for line in re.findall(r"^\| (`.+?) \| ", section, re.MULTILINE):
        assert all(hasattr(SocketRequest, name) for name in re.findall(r"`(\w+)`", line))
    assert hasattr(SocketRouteView, "route_send")


# Consumers.


async def test_the_chat_reaches_everyone_in_the_lobby() -> None:
    async with SocketCommunicator(Chat.as_asgi()) as one, SocketCommunicator(Chat.as_asgi()) as two:
        await one.send_json({"line": "hi"})
        await two.expect_event({"line": "hi"})


@pytest.mark.parametrize("content", [{}, [], None, {"line": ""}, "x"])
async def test_an_invalid_line_is_answered_with_400(content) -> None:
    async with SocketCommunicator(Chat.as_asgi()) as socket:
        await socket.send_json(content)
        await socket.expect_event(status=400)


def test_the_methods_and_attributes_of_consumers_exist() -> None:
    text = PAGES["consumers.md"].split("## SocketConsumer")[1].split("### Differences")[0]
    cells = " ".join(re.findall(r"^\| (`.+?) \| ", text, re.MULTILINE))
    names = set(re.findall(r"`(\w+)[(`]", cells)) - {"scope"}
    assert len(names) == 16
    assert all(hasattr(SocketConsumer, name) for name in names)


@pytest.mark.django_db(transaction=True)
async def test_a_multiplexer_carries_both_consumers(root) -> None:
    application = SocketApplication(streams)
    async with SocketCommunicator(application, "/ws/", user=root) as socket:
        await socket.send_json({"stream": "notes", "payload": {"action": "list", "request_id": 1}})
        frame = await socket.receive_json()
        assert (frame["stream"], frame["payload"]["data"]) == ("notes", [])
        await socket.send_json({"stream": "chat", "payload": {"line": "hi"}})
        assert await socket.receive_json() == {"stream": "chat", "payload": {"line": "hi"}}


# Actions.


@pytest.mark.django_db(transaction=True)
async def test_the_notes_are_served_as_drf_would_serve_them(root) -> None:
    async with SocketCommunicator(Notes.as_asgi(), user=root, dialect="action") as socket:
        created = await socket.call("create", {"title": "hi", "text": "there"})
        pk = (await socket.expect_reply(created, response_status=201))["data"]["id"]
        await socket.expect_reply(await socket.call("shout", pk=pk), data={"title": "HI"})
    ada = await User.objects.acreate_user("ada")
    async with SocketCommunicator(Notes.as_asgi(), user=ada, dialect="action") as socket:
        rejected = await socket.call("create", {"title": "hi"})
        await socket.expect_reply(rejected, response_status=403)


@pytest.mark.django_db(transaction=True)
async def test_the_model_actions_have_the_statuses_of_the_table(root) -> None:
    listed = {row[0].strip("`"): int(row[2]) for row in rows("actions.md", "Action | Arguments")}
    assert set(listed) == ModelConsumer.available_actions.keys()
    async with SocketCommunicator(Notes.as_asgi(), user=root, dialect="action") as socket:

        async def status_of(name: str, **frame: object) -> int:
            await socket.send_json({"action": name, "request_id": 1, **frame})
            return (await socket.receive_json())["response_status"]

        data = {"title": "Milk", "text": "Two"}
        assert await status_of("create", data=data) == listed.pop("create")
        pk = (await list_rows(socket))[0]["id"]
        last = ("unsubscribe_instance", "delete")
        for name in [*(one for one in listed if one not in last), *last]:
            assert await status_of(name, pk=pk, data=data) == listed[name]


async def list_rows(socket):
    """The data that the action `list` answers."""
    await socket.send_json({"action": "list", "request_id": 1})
    return (await socket.receive_json())["data"]


class Recording(BasePermission):
    """Records the HTTP methods that permission classes see."""

    methods: list[str] = []

    def has_permission(self, request, view) -> bool:
        self.methods.append(request.method)
        return True


class Recorded(StreamedPaginatedListMixin, ModelConsumer):
    permission_classes = [Recording]

    @action()
    async def subscribe_(self):
        return None, 200

    @action()
    async def unsubscribe_(self):
        return None, 200

    @action()
    async def other(self):
        return None, 200


async def test_permission_classes_see_the_http_methods_of_the_table() -> None:
    table = {
        name: method
        for names, method in rows("permissions.md", "Action | Method")
        for name in re.findall(r"`(\w+)`", names) or ["other"]
    }
    Recording.methods.clear()
    async with SocketCommunicator(Recorded.as_asgi(), dialect="action") as socket:
        assert Recording.methods == ["GET"]  # the handshake
        for name in table:
            await socket.expect_reply(await socket.call(name))
    assert Recording.methods[1:] == list(table.values())


def test_the_classes_mixins_and_hooks_of_the_page_exist() -> None:
    page = PAGES["actions.md"]
    mixins = import_module("rest_channels.mixins")
    names = set(re.findall(r"`(\w+Mixin)`", page))
    assert names == set(mixins.__all__)
    pagination = import_module("rest_channels.pagination")
    assert set(re.findall(r"`(Websocket\w+)`", page)) == set(pagination.__all__)
    for row in rows("actions.md", "Class | Actions"):
        assert hasattr(library, row[0].strip("`"))
    hooks = re.findall(r"`(get_\w+|filter_queryset|perform_\w+)`", page)
    assert hooks
    assert all(hasattr(ModelConsumer, name) for name in hooks)
    assert AsyncAPIConsumer.authentication_classes is None


# Routing.


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/ws/games/1/", "/ws/chat/", "/ws/notes/"])
async def test_every_path_of_the_routing_page_can_be_connected_to(path, root) -> None:
    async with SocketCommunicator(SocketApplication(urlpatterns), path, user=root) as socket:
        await socket.expect_nothing()


@pytest.mark.parametrize("path", ["/ws/unknown/", "/ws/chat"])
async def test_an_unknown_path_is_rejected(path) -> None:
    socket = SocketCommunicator(SocketApplication(urlpatterns), path)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


async def test_the_route_list_of_channels_1_works() -> None:
    application = SocketApplication(routing)
    async with (
        SocketCommunicator(application, "/hall/a/") as one,
        SocketCommunicator(application, "/hall/a/") as two,
        SocketCommunicator(application, "/chat/") as chat,
    ):
        await one.send_to("hello")
        assert await two.receive_from() == "hello"
        await chat.send_json({"line": "hi"})
        await chat.expect_event({"line": "hi"})


def test_the_names_of_the_channels_1_table_can_be_imported() -> None:
    for names, module, _meaning in rows("routing.md", "Name"):
        for name in re.findall(r"`(\w+)", names):
            assert hasattr(import_module(module.strip("`")), name)
