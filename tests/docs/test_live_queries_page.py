"""The examples of docs/live-queries.md."""

import pytest
from django.contrib.auth.models import User

from rest_channels.testing import SocketCommunicator

from .desk_lists import DeskLists
from .live_notes import LiveNotes
from .models import Note

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


async def subscribe(socket, action, **arguments):
    """Subscribe to a list; its `request_id`, and its rows."""
    call = await socket.call(action, **arguments)
    return call, (await socket.expect_reply(call, status=201))["data"]["rows"]


async def test_a_note_enters_a_search_as_its_title_changes_and_leaves_with_its_writer(ada, note):
    async with client(LiveNotes, ada) as socket:
        call, rows = await subscribe(socket, "subscribe_list", query={"search": "moon"})
        assert rows == []
        note.title = "Moon"
        await note.asave()
        frame = await socket.expect_event(action="diff", request_id=call)
        [[after, row, _tag]] = frame["data"]["enter"]
        assert (after, row) == (None, {"id": note.pk, "title": "Moon"})
        await note.writers.aremove(ada)
        frame = await socket.expect_event(action="diff", request_id=call)
        assert frame["data"]["leave"] == [note.pk]


async def test_a_search_that_ends_is_told_nothing(ada, note) -> None:
    async with client(LiveNotes, ada) as socket:
        call, rows = await subscribe(socket, "subscribe_list")
        assert rows == [{"id": note.pk, "title": "Sun"}]
        await socket.send_json({"action": "unsubscribe_list", "request_id": call})
        await socket.expect_reply(call, status=204)
        await note.adelete()
        await socket.expect_nothing()


class Seen(LiveNotes):
    def viewers(self, rows):
        writers = Note.writers.through.objects
        return writers.filter(note__in=rows).values_list("note", "user")


@pytest.mark.parametrize(
    ("consumer", "action"), [(Seen, "subscribe_list"), (DeskLists, "watch_drafts")]
)
async def test_with_viewers_each_writer_is_told_and_nobody_else(
    ada, note, consumer, action
) -> None:
    ben = await User.objects.acreate_user("ben")
    async with client(consumer, ada) as socket, client(consumer, ben) as other:
        for each in (socket, other):
            await subscribe(each, action)
        note.title = "Moon"
        await note.asave()
        frame = await socket.expect_event(action="diff")
        assert frame["data"]["change"][0][0] == {"id": note.pk, "title": "Moon"}
        await note.writers.aadd(ben)
        assert (await other.expect_event(action="diff"))["data"]["enter"][0][1]["id"] == note.pk
        await socket.expect_nothing()


async def test_the_drafts_of_a_writer_are_live_until_they_are_no_longer_watched(ada, note) -> None:
    async with client(DeskLists, ada) as socket:
        call, rows = await subscribe(socket, "watch_drafts")
        assert rows == [{"id": note.pk, "title": "Sun"}]
        pk = note.pk
        await note.adelete()
        frame = await socket.expect_event(action="diff", request_id=call)
        assert frame["data"]["leave"] == [pk]
        await socket.send_json({"action": "unwatch_drafts", "request_id": call})
        await socket.expect_reply(call, status=204)
