"""The examples of docs/observers.md."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from rest_channels.observer.delivery import delivery
from rest_channels.testing import SocketCommunicator

from .activity import Activity
from .archive import archive
from .editing import Editing
from .live_note import LiveNote
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


async def call(socket, action, **frame):
    """Call `action`, which succeeds; its `request_id`."""
    request_id = await socket.call(action, **frame)
    await socket.expect_reply(request_id, action=action, errors=[])
    return request_id


async def test_a_subscriber_receives_a_row_as_long_as_they_may_see_it(ada, note) -> None:
    async with client(LiveNote, ada) as socket:
        request_id = await call(socket, "subscribe_instance", pk=note.pk)
        note.title = "Moon"
        await note.asave()
        row = {"id": note.pk, "title": "Moon"}
        await socket.expect_reply(request_id, action="update", response_status=200, data=row)
        await note.writers.aremove(ada)
        await socket.expect_reply(request_id, response_status=404)
        await note.asave()
        await socket.expect_nothing()


async def test_a_row_that_changes_its_group_is_deleted_there_and_created_here(ada, note) -> None:
    async with client(Activity, ada) as socket:
        long = await call(socket, "subscribe_to_notes", length="long")
        short = await call(socket, "subscribe_to_notes", length="short")
        note.text = "x" * 1001
        await note.asave()
        row = {"id": note.pk, "title": "Sun"}
        await socket.expect_reply(short, action="delete", response_status=204, data=row)
        await socket.expect_reply(long, action="create", response_status=201, data=row)
        await socket.call("unsubscribe_from_notes", length="long", request_id=long)
        await socket.expect_reply(long, response_status=204)
        await note.asave()
        await socket.expect_nothing()


async def test_the_user_who_edits_does_not_receive_their_own_edit(ada, note) -> None:
    async with client(Editing, ada) as socket:
        request_id = await call(socket, "subscribe_to_edits")
        note.by = ada.pk
        await note.asave()
        del note.by
        await note.asave()
        row = {"id": note.pk, "title": "Sun", "by": None}
        await socket.expect_reply(request_id, action="update", data=row)
        await socket.expect_nothing()


async def test_notify_changed_sends_archived_rows(ada, note) -> None:
    async with client(LiveNote, ada) as socket:
        request_id = await call(socket, "subscribe_instance", pk=note.pk)
        await sync_to_async(archive)(Note.objects.all())
        await socket.expect_reply(request_id, data={"id": note.pk, "title": "Archived"})


def test_the_statuses_of_the_page_match_the_code() -> None:
    page = " ".join(PAGES["observers.md"].split())
    words = [f"`{action}` ({status})" for action, status in delivery.STATUS_BY_ACTION.items()]
    assert f"{words[0]}, {words[1]} and {words[2]}" in page
