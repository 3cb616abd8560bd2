import pytest
from django.contrib.auth.models import User

from rest_channels.testing import SocketCommunicator

from .api import Notes
from .models import Note

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_subscriber_receives_a_new_title():
    root = await User.objects.acreate_superuser("root")
    note = await Note.objects.acreate(title="Shopping")
    async with SocketCommunicator(Notes.as_asgi(), user=root, dialect="action") as socket:
        call = await socket.call("subscribe_instance", pk=note.pk)
        await socket.expect_reply(call, status=201)
        await socket.expect_nothing()
        note.title = "Food"
        await note.asave()
        await socket.expect_event(action="update", request_id=call)


async def test_a_shout_is_the_title_in_capitals():
    note = await Note.objects.acreate(title="Shopping")
    consumer = Notes()
    consumer.scope = {"user": await User.objects.acreate_user("ada")}
    assert await consumer.shout(pk=note.pk) == ({"title": "SHOPPING"}, 200)
