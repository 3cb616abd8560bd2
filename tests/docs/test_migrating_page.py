"""The examples, tables and commands of docs/migrating.md."""

import asyncio
import re
import subprocess
from decimal import Decimal

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import override_settings
from django.views import View
from rest_framework import permissions as drf

from rest_channels.actions.http_methods import http_method_of
from rest_channels.consumers import (
    AsyncAPIConsumer,
    ModelConsumer,
    SocketConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.settings import Settings
from rest_channels.testing import SocketCommunicator
from tests.brokers import LAYERS, layers

from . import library, rollout
from .models import Note
from .test_groups_page import end
from .test_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = PAGES["migrating.md"]


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada")


def client(application, path="/", user=None, **kwargs):
    return SocketCommunicator(
        application, path, user=user or AnonymousUser(), dialect="action", **kwargs
    )


async def ask(socket, action, **frame):
    await socket.send_json({"action": action, "request_id": 1, **frame})
    return await socket.receive_json()


async def status_of(socket, action, **frame):
    return (await ask(socket, action, **frame))["response_status"]


# The examples.


async def test_the_library_works_as_before(ada) -> None:
    async with client(rollout.application, "/ws/library/", ada) as socket:
        note = await ask(socket, "create", data={"title": "Milk", "text": "Two"})
        pk = note["data"]["id"]
        row = {"id": pk, "title": "Milk", "text": "Two"}
        assert note == {
            "errors": [],
            "data": row,
            "action": "create",
            "response_status": 201,
            "request_id": 1,
        }
        page = {"count": 1, "limit": 10, "offset": 0, "results": [row]}
        assert (await ask(socket, "list", limit=10))["data"] == page
        assert (await ask(socket, "clear", pk=pk))["data"] == {**row, "text": ""}
        assert (await ask(socket, "count"))["data"] == {"notes": 1}


async def test_the_permissions_of_the_library_are_checked(ada) -> None:
    other = await Note.objects.acreate(title="Of another user")
    async with client(rollout.application, "/ws/library/", ada) as socket:
        assert await status_of(socket, "create", data={"title": "MILK", "text": ""}) == 403
        assert await status_of(socket, "retrieve", pk=other.pk) == 404
    async with client(library.Library.as_asgi()) as stranger:
        assert await status_of(stranger, "list") == 403
    closed = client(library.Library.as_asgi(), "/ws/closed/", ada)
    assert (await closed.connect())[0] is False
    await closed.disconnect()


@pytest.mark.parametrize("layer", [None, *LAYERS], ids=["memory", "core", "pubsub"])
async def test_both_lobbies_receive_each_message_once(layer, redis_url) -> None:
    memory = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    config = memory if layer is None else layers(layer, redis_url, prefix="migrating")
    with override_settings(CHANNEL_LAYERS=config):
        async with (
            SocketCommunicator(rollout.application, "/ws/lobby/a/") as before,
            SocketCommunicator(rollout.application, "/ws/2/lobby/a/") as now,
        ):
            for number, socket in enumerate((before, now)):
                await socket.send_json({"line": number})
                await before.expect_event({"line": number})
                await now.expect_event({"line": number})
            await before.expect_nothing()
            await now.expect_nothing()
        await end(get_channel_layer())


def test_the_lobbies_differ_only_in_the_lines_of_the_diff() -> None:
    before, now = (PAGE.split(f"# notes/{name}.py\n")[1].split("```")[0] for name in LOBBIES)
    changed = PAGE.split("```diff\n")[1].split("```")[0].splitlines()
    for line in filter(None, changed):
        assert line[1:] in (before if line.startswith("-") else now).splitlines()
    assert before.split("\n", 5)[5] == now.split("\n", 5)[5]


LOBBIES = ("lobby_before", "lobby")


def test_the_command_replaces_the_old_names(tmp_path) -> None:
    old = "from djangochannelsrestframework.observer import observer\n"
    (tmp_path / "consumers.py").write_text(old)
    (tmp_path / "settings.py").write_text("DJANGO_CHANNELS_REST_API = {}\n")
    shell = PAGE.split("```console\n$ ")[1].split("```")[0]
    subprocess.run(shell, shell=True, check=True, cwd=tmp_path)
    new = "from rest_channels.observer import observer\n"
    assert (tmp_path / "consumers.py").read_text() == new
    assert (tmp_path / "settings.py").read_text() == "REST_CHANNELS = {}\n"


# What stays the same.


def listed(beginning):
    """The names in the list item that begins with `beginning`."""
    item = PAGE.split(f"- {beginning}")[1].split("\n- ")[0]
    return re.findall(r"`(?:@|\w+\.)?(\w+)", item)


def test_the_methods_to_override_exist() -> None:
    assert all(hasattr(ModelConsumer, name) for name in listed("The mixins"))
    assert all(hasattr(AsyncAPIConsumer, name) for name in listed("The consumer's own steps"))


async def test_the_communicator_of_channels_works() -> None:
    socket = WebsocketCommunicator(Odd.as_asgi(), "/")
    assert (await socket.connect())[0]
    await socket.send_json_to({"action": "exact", "size": 1, "request_id": 1})
    assert (await socket.receive_json_from())["data"] == 1
    await socket.disconnect()


def rows_of(title):
    """The table under a heading: its first column → the others."""
    table = PAGE.split(title)[1].split("\n\n")[0]
    rows = [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in rows}


def test_the_settings_of_the_table_exist() -> None:
    names = [name.strip("`") for name in rows_of("| `DJANGO_CHANNELS_REST_API` |")]
    assert len(names) == 4
    assert all(hasattr(Settings, name) for name in names)


# What differs.


def test_permissions_see_the_http_methods_of_the_table() -> None:
    rows = rows_of("| action | the method was | is |")
    assert len(rows) == 9
    for row, (_was, now) in rows.items():
        name = "connect" if row == "connecting" else row.split("`")[1]
        assert http_method_of(name) == now.split(",")[0]


class Odd(AsyncAPIConsumer):
    @action()
    async def exact(self, size):
        return size, 200

    @action()
    async def anything(self, **kwargs):
        return sorted(kwargs), 200

    @action()
    def raising(self, what):
        raise {"500": KeyError("x"), "403": PermissionDenied("x")}[what]

    @action()
    async def silent(self):
        return {"no": "status"}

    @action()
    async def value(self, kind):
        return {"decimal": Decimal("1.5"), "nan": float("nan"), "big": 2**70}[kind], 200


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        ({"action": "raising", "what": "500"}, 500),
        ({"action": "raising", "what": "403"}, 403),
        ({"action": "exact"}, 400),
        ({"action": "exact", "size": 1, "colour": 2}, 400),
        ({"action": "exact", "size": 1, "self": 2}, 400),
        ({"action": "anything", "self": 2}, 400),
        ({"action": "anything", "scope": 1, "consumer": 2}, 200),
        ({"action": "value", "kind": "decimal"}, 200),
        ({"action": "value", "kind": "nan"}, 200),
        ({"action": "value", "kind": "big"}, 500),
        ([1], 400),
        (7, 400),
    ],
)
async def test_an_error_is_answered_with_a_status_and_the_connection_stays_open(
    frame, status
) -> None:
    async with client(Odd.as_asgi()) as socket:
        await socket.send_json(frame)
        assert (await socket.receive_json())["response_status"] == status
        assert await status_of(socket, "exact", size=1) == 200


@pytest.mark.parametrize("frame", [{"text_data": "no json"}, {"bytes_data": b"{}"}])
async def test_a_frame_that_is_not_json_is_answered_with_400(frame) -> None:
    async with client(Odd.as_asgi()) as socket:
        await socket.send_to(**frame)
        assert (await socket.receive_json())["response_status"] == 400


async def test_values_are_written_as_by_drf_and_nan_as_null(caplog) -> None:
    async with client(Odd.as_asgi()) as socket:
        assert (await ask(socket, "value", kind="decimal"))["data"] == 1.5
        assert (await ask(socket, "value", kind="nan"))["data"] is None
        await socket.send_to('{"action": "anything", "x": NaN}')
        assert (await socket.receive_json())["response_status"] == 400
        await socket.send_json({"action": "silent"})
        await socket.expect_nothing()
    assert "Odd.silent returned" in caplog.text


class Guarded(ModelConsumer):
    queryset = Note.objects.order_by("pk")
    serializer_class = library.NoteSerializer
    permission_classes = [drf.DjangoModelPermissions]

    @action()
    def escalate(self):
        return {}, 200


@pytest.mark.parametrize(
    ("permission", "allowed"), [("add", "create escalate"), ("change", "update patch")]
)
async def test_one_permission_allows_only_its_actions(permission, allowed, ada) -> None:
    named = Permission.objects.filter(content_type__app_label="readme")
    await ada.user_permissions.aadd(await named.aget(codename=f"{permission}_note"))
    note = await Note.objects.acreate(title="Milk")
    data = {"title": "New", "text": "x"}
    async with client(Guarded.as_asgi(), user=ada) as socket:
        for name in ("create", "update", "patch", "escalate"):
            frame = {} if name == "escalate" else {"pk": note.pk, "data": data}
            assert (await status_of(socket, name, **frame) < 300) == (name in allowed.split())


async def test_an_anonymous_user_is_rejected_without_any_middleware() -> None:
    socket = WebsocketCommunicator(Guarded.as_asgi(), "/")
    assert (await socket.connect())[0]
    assert (await socket.receive_json_from())["response_status"] == 403
    await socket.disconnect()


async def test_an_unknown_action_is_answered_with_405_for_everyone() -> None:
    async with client(library.Library.as_asgi()) as stranger:
        assert await status_of(stranger, "fly") == 405
        assert await status_of(stranger, "count") == 403


class Lists(ModelConsumer):
    queryset = Note.objects.order_by("pk")
    serializer_class = library.NoteSerializer

    @action()
    def context(self, **kwargs):
        return sorted(self.get_serializer_context(**kwargs)), 200


async def test_invalid_limits_and_keys_are_rejected() -> None:
    await Note.objects.acreate(pk=1, title="Milk")
    async with client(Lists.as_asgi()) as socket:
        for wrong in ({"limit": 0}, {"limit": "x"}, {"limit": 1, "offset": -1}):
            assert await status_of(socket, "list", **wrong) == 400
        assert (await ask(socket, "list", limit=None))["data"][0]["id"] == 1
        assert (await ask(socket, "list", limit=1))["data"]["count"] == 1
        for pk in (True, 1.0):
            assert await status_of(socket, "retrieve", pk=pk) == 404
        assert (await ask(socket, "context"))["data"] == ["consumer", "request", "scope", "view"]


async def test_a_stream_runs_beside_the_next_frames() -> None:
    class Streamed(StreamedPaginatedListMixin, GenericAsyncAPIConsumer):
        queryset = Note.objects.order_by("pk")
        serializer_class = library.NoteSerializer
        sleep_time_between_pages = 60

    await Note.objects.acreate(title="Milk")
    await Note.objects.acreate(title="Eggs")
    async with client(Streamed.as_asgi()) as socket:
        assert (await ask(socket, "list", limit=1))["data"]["count"] == 2
        assert await status_of(socket, "list_cancel") == 200


class Room(AsyncAPIConsumer):
    groups = ["room"]

    @action()
    async def say(self):
        await self.channel_layer.group_send("room", {"type": "line"})
        await self.received.wait()  # would never end if the message waited for the action
        return "said", 200

    async def connect(self):
        self.received = asyncio.Event()

    async def line(self, event):
        await self.send_json("line")
        self.received.set()


async def test_a_running_action_can_wait_for_its_message_and_is_answered_before_it() -> None:
    async with client(Room.as_asgi()) as socket:
        assert (await ask(socket, "say"))["data"] == "said"
        assert await socket.receive_json() == "line"


@pytest.mark.parametrize("name", ["close", "request"])
def test_an_action_cannot_hide_a_method_but_may_have_its_name(name) -> None:
    with pytest.raises(TypeError, match="would hide a method"):
        type("Hiding", (AsyncAPIConsumer,), {name: action()(lambda self: None)})
    method = action(name=name)(lambda self: None)
    named = type("Named", (AsyncAPIConsumer,), {"one": method})
    assert named.available_actions == {name: "one"}


async def test_a_deactivated_user_is_closed(ada) -> None:
    async with client(Odd.as_asgi(), user=ada) as socket:
        ada.is_active = False
        await ada.asave()
        await socket.expect_close(4442)


class Page(View):
    def put(self, request):
        return HttpResponse(f"{request.body.decode()} {request.META['HTTP_HOST']}")

    def post(self, request):
        return HttpResponse("posted")


async def test_a_view_receives_a_request_as_from_a_browser() -> None:
    async with client(view_as_consumer(Page)) as socket:
        answer = await ask(socket, "create", data={"a": 1})
        assert answer["data"] == '{"a":1} testserver'
        assert (await ask(socket, "post"))["data"] == "posted"
        assert (await ask(socket, "create", colour=1))["errors"] == [
            {"colour": ["There is no such argument."]}
        ]


# Channels' consumers.


class Echo(SocketConsumer):
    groups = ["lobby"]

    def receive_json(self, content):
        self.channel_layer.group_send("lobby", {"type": "chat.line", "line": content["line"]})

    def chat_line(self, event):
        self.send_json({"line": event["line"]})


async def test_def_methods_need_no_async_to_sync_and_errors_close_nothing() -> None:
    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json({})
        await socket.expect_event(status=500)
        await socket.send_json({"line": "hello"})
        await socket.expect_event({"line": "hello"})
