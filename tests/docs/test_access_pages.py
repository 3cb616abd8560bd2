"""The examples of docs/permissions.md, authentication.md and admin.md, and what frames.md lists."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core import signing
from django.test import RequestFactory

from rest_channels.authentication import expiry_of
from rest_channels.protocol import dialects
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from sockets.admin import SocketAdmin
from sockets.models import Socket

from .desk import Desk
from .models import Note
from .staff_site import StaffSocketAdmin, staff_site
from .test_pages import PAGES
from .test_reference_pages import rows
from .tokens import HOUR, Phone, new_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada")


@pytest.fixture
async def note(ada):
    note = await Note.objects.acreate(title="Tea")
    await note.writers.aadd(ada)
    return note


def desk(user=None):
    return SocketCommunicator(Desk.as_asgi(), user=user, dialect="action")


# Permissions.


async def test_a_reader_may_not_change_a_note_and_a_writer_may(ada, note) -> None:
    bob = await User.objects.acreate_user("bob")
    async with desk(bob) as reader, desk(ada) as writer:
        await reader.expect_reply(await reader.call("retrieve", pk=note.pk), response_status=200)
        refused = await reader.call("patch", {"title": "Milk"}, pk=note.pk)
        message = "Only the writers of this note may change it."
        await reader.expect_reply(refused, response_status=403, errors=[message])
        changed = await writer.call("patch", {"title": "Milk"}, pk=note.pk)
        await writer.expect_reply(changed, response_status=200)
        assert message in PAGES["permissions.md"]


async def test_an_action_has_permission_classes_of_its_own(ada, note) -> None:
    root = await User.objects.acreate_user("root", is_staff=True)
    async with desk(ada) as member, desk(root) as staff:
        await member.expect_reply(await member.call("remove_all"), response_status=403)
        await staff.expect_reply(await staff.call("remove_all"), data={"removed": 1})
    assert not await Note.objects.aexists()


async def test_a_client_without_a_login_reads_why_it_may_not_connect() -> None:
    socket = desk()
    assert (await socket.connect())[0] is True
    assert (await socket.receive_json())["response_status"] in (401, 403)
    await socket.expect_close(4403)


# Tokens.


def phone(token):
    offered = ["rest-channels", f"authorization.Bearer.{token}"]
    return SocketCommunicator(Phone.as_asgi(), subprotocols=offered, dialect="action")


async def test_a_token_of_the_view_connects_its_user(ada) -> None:
    request = RequestFactory().get("/token/")
    request.user = ada
    token = re.search(r'"token": "(.+)"', new_token(request).content.decode())[1]
    async with phone(token) as socket:
        await socket.expect_reply(await socket.call("whoami"), data={"name": "ada"})


@pytest.mark.parametrize("age", [0, HOUR + 1])
async def test_a_wrong_or_an_old_token_is_refused(ada, age, monkeypatch) -> None:
    token = "wrong" if age == 0 else signing.dumps(ada.pk, salt="notes")
    later = signing.time.time() + age
    monkeypatch.setattr(signing.time, "time", lambda: later)
    socket = phone(token)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


def test_the_attributes_that_tell_when_a_token_expires_are_those_of_the_code() -> None:
    words = PAGES["authentication.md"].split("The library knows when a token expires")[1]
    names = set(re.findall(r"`(exp\w*)`", words.split("\n\n")[0]))
    assert names == set(re.findall(r"`(exp\w*)`", expiry_of.__doc__))


# The admin.


async def test_the_action_of_the_page_warns_the_selected_sockets(ada, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(
        StaffSocketAdmin, "message_user", lambda _self, _request, text: shown.append(text)
    )
    application = SocketApplication("tests.docs.tables")
    async with SocketCommunicator(application, "/tables/7/", user=ada) as socket:
        await socket.expect_event(type="WELCOME")
        registered, selected = staff_site.get_model_admin(Socket), Socket.objects.filter(user=ada)
        await sync_to_async(registered.announce_restart)(None, selected)
        await socket.expect_event(type="RESTART", minutes=5)
    assert shown == ["Warned sockets: 1"]


def test_the_extended_admin_has_the_actions_of_the_library_and_its_own() -> None:
    registered = staff_site.get_model_admin(Socket)
    assert isinstance(registered, StaffSocketAdmin)
    assert registered.actions == ["send_message", "ping", "disconnect", "announce_restart"]
    listed = [row[0].rstrip("…") for row in rows("admin.md", "Action")]
    shown = [getattr(registered, name).short_description for name in SocketAdmin.actions]
    assert listed == [str(label).rstrip("…") for label in shown]


# Frames.


def test_every_dialect_of_the_page_and_its_methods_exist() -> None:
    for name in re.findall(r"`(\w+Dialect)`", PAGES["frames.md"]):
        assert hasattr(dialects, name)
    for cell, *_rest in rows("frames.md", "Method | Returns"):
        assert hasattr(dialects.ActionDialect, re.search(r"`(\w+)\(", cell)[1])


def test_the_frames_of_the_page_are_those_of_their_dialect() -> None:
    action = dialects.ActionDialect().build_content("shout", 1, 200, 1)
    method = dialects.MethodDialect().build_content(dialects.Call("move"), 1, 200)
    _view, route, actions, *_others = rows("frames.md", "Class | A client sends")
    assert set(re.findall(r'"(\w+)":', actions[2])) == action.keys()
    assert set(re.findall(r'"(\w+)":', route[2])) == method.keys()
