"""The examples of docs/recovery.md."""

import json

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import path

from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator

from .kept import KeptNotes
from .lines import Lines, last_lines
from .models import Note

pytestmark = pytest.mark.django_db(transaction=True)

APPLICATION = SocketApplication([path("ws/lines/<slug:room>/", Lines.as_asgi())])


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada")


async def joined(client) -> tuple[str, list]:
    [(tag, position)] = (await client.receive_json())["$joined"].items()
    return tag, position


async def test_a_client_that_was_away_receives_the_lines_it_missed(ada) -> None:
    line = {"from": "ada", "text": "hello"}
    async with SocketCommunicator(APPLICATION, "/ws/lines/1/", user=ada, recovery=True) as away:
        tag, (epoch, offset) = await joined(away)
    async with SocketCommunicator(APPLICATION, "/ws/lines/1/", user=ada, recovery=True) as other:
        await joined(other)
        await other.send_json("hello")
        await other.receive_json()
    async with SocketCommunicator(APPLICATION, "/ws/lines/1/", user=ada, recovery=True) as back:
        await joined(back)
        await back.send_json({"$resume": {tag: [epoch, offset]}})
        assert await back.receive_json() == {"$at": f"{tag}.{offset + 1}", **line}


async def test_a_page_opens_with_the_last_lines(ada) -> None:
    async with SocketCommunicator(APPLICATION, "/ws/lines/2/", user=ada, recovery=True) as client:
        await joined(client)
        await client.send_json("hello")
        await client.receive_json()
    request = RequestFactory().get("/")
    request.user = ada
    response = await sync_to_async(last_lines)(request, room="2")
    assert json.loads(response.content) == {"lines": [{"from": "ada", "text": "hello"}]}


async def test_a_client_that_was_away_receives_the_changes_it_missed(ada) -> None:
    follow = {"action": "follow", "request_id": 1}
    async with SocketCommunicator(KeptNotes.as_asgi(), user=ada, recovery=True) as away:
        await away.send_json(follow)
        tag, (epoch, offset) = await joined(away)
    note = await Note.objects.acreate(title="Moon")
    async with SocketCommunicator(KeptNotes.as_asgi(), user=ada, recovery=True) as back:
        await back.send_json(follow)
        await joined(back)
        assert (await back.receive_json())["response_status"] == 201
        await back.send_json({"$resume": {tag: [epoch, offset]}})
        change = await back.receive_json()
    assert (change["$at"], change["action"]) == (f"{tag}.{offset + 1}", "create")
    assert change["data"] == {"id": note.pk, "title": "Moon"}
