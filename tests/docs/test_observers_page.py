"""The examples of docs/observers.md, tried."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from rest_channels.observer.delivery import delivery
from rest_channels.testing import SocketCommunicator

from .activity import Activity
from .archive import archive
from .desk import Desk
from .editing import Editing
from .models import Note
from .test_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada")


@pytest.fixture
async def note(ada):
    note = await Note.objects.acreate(title="Sun")
    await note.writers.aadd(ada)
    return note


def client(consumer, user):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", user=user)


async def asked(socket, action, **frame):
    call = await socket.call(action, **frame)
    await socket.expect_reply(call, action=action, errors=[])
    return call


async def test_a_desk_shows_a_row_as_long_as_one_may_see_it(ada, note) -> None:
    async with client(Desk, ada) as socket:
        call = await asked(socket, "subscribe_instance", pk=note.pk)
        note.title = "Moon"
        await note.asave()
        row = {"id": note.pk, "title": "Moon"}
        await socket.expect_reply(call, action="update", response_status=200, data=row)
        await note.writers.aremove(ada)
        await socket.expect_reply(call, response_status=404)
        await note.asave()
        await socket.expect_nothing()


async def test_rows_come_and_go_by_their_length(ada, note) -> None:
    async with client(Activity, ada) as socket:
        long = await asked(socket, "subscribe_to_notes", length="long")
        short = await asked(socket, "subscribe_to_notes", length="short")
        note.text = "x" * 1001
        await note.asave()
        row = {"id": note.pk, "title": "Sun"}
        await socket.expect_reply(short, action="delete", response_status=204, data=row)
        await socket.expect_reply(long, action="create", response_status=201, data=row)
        await socket.call("unsubscribe_from_notes", length="long", request_id=long)
        await socket.expect_reply(long, response_status=204)
        await note.asave()
        await socket.expect_nothing()


async def test_who_edits_is_not_told_of_it(ada, note) -> None:
    async with client(Editing, ada) as socket:
        call = await asked(socket, "subscribe_to_edits")
        note.by = ada.pk
        await note.asave()
        del note.by
        await note.asave()
        said = {"id": note.pk, "title": "Sun", "by": None}
        await socket.expect_reply(call, action="update", data=said)
        await socket.expect_nothing()


async def test_what_is_archived_is_told(ada, note) -> None:
    async with client(Desk, ada) as socket:
        call = await asked(socket, "subscribe_instance", pk=note.pk)
        await sync_to_async(archive)(Note.objects.all())
        await socket.expect_reply(call, data={"id": note.pk, "title": "Archived"})


def test_the_statuses_of_the_page_are_those_of_the_code() -> None:
    page = " ".join(PAGES["observers.md"].split())
    words = [f"`{action}` ({status})" for action, status in delivery.STATUS.items()]
    assert f"{words[0]}, {words[1]} and {words[2]}" in page
