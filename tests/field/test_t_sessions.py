"""A session loses nothing that a cache can hold, and a login that a page takes away is gone."""

from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, alogin, get_user_model
from django.test import Client
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.observer.models import Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)

ENGINES = ["cache", "cached_db", "db", "file"]


@pytest.fixture(params=ENGINES)
def engine(request, settings, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return request.param


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


def store(key=None):
    return import_module(django_settings.SESSION_ENGINE).SessionStore(key)


@sync_to_async
def change(key, deleted=(), **data):
    """Change a session as a page does."""
    session = store(key)
    session.update(data)
    for name in deleted:
        del session[name]
    session.save()


class Plain:
    """An object that is equal to no other."""

    def __init__(self, name):
        self.name = name


class Vector(Plain):
    """An object that cannot say whether it is equal to another, as an array."""

    def __eq__(self, other):
        raise ValueError

    __hash__ = None


def tag(name):
    """Return a row, which is equal to every other one with its key."""
    return Tag(pk=1, name=name)


class Named(SocketConsumer):
    """Sends the name of the value. A frame may set another key, or change the value in place."""

    async def receive_json(self, content):
        session = self.scope["session"]
        if content == "save":
            session["seen"] = 1
        elif content:
            session["value"].name = content
        if content:
            await session.asave()
        self.send_json(session["value"].name)


@pytest.mark.parametrize("kind", [Plain, Vector, tag])
async def test_objects_in_a_cache_follow_what_a_page_and_what_the_socket_save(
    kind, settings
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    await sync_to_async((session := store()).create)()
    key = session.session_key
    await change(key, value=kind("one"))
    async with SocketCommunicator(Named.as_asgi(), session=store(key)) as socket:
        await change(key, value=kind("two"))
        await check_accounts(current_hub())
        for sent, expected in ((None, "two"), ("three", "three"), ("save", "three")):
            await socket.send_json(sent)
            await socket.expect_event(expected)
        await change(key, value=kind("four"))
        await socket.send_json("save")
        await socket.expect_event("four")
        assert store(key)["value"].name == "four"


class Door(SocketView):
    """A frame logs its user in. The answer is the name of the user."""

    async def receive(self, request):
        if request.data:
            await alogin(request, await User.objects.aget(username=request.data))
            await check_accounts(current_hub())
            await request.session.asave()
        self.send_json(request.user.username)


@sync_to_async
def connect(user):
    client = Client()
    client.force_login(user)
    key = client.session.session_key
    app = SocketApplication([path("", Door.as_asgi())])
    socket = SocketCommunicator(app, headers=[("cookie", f"sessionid={key}")])
    socket.key = key
    return socket


async def test_a_login_that_a_page_takes_out_of_the_session_closes_its_sockets(engine, ada) -> None:
    async with await connect(ada) as socket:
        await change(socket.key, deleted=[SESSION_KEY])
        await check_accounts(current_hub())
        await socket.expect_close(4440)


async def test_a_session_that_a_page_gives_to_another_user_closes_its_sockets(engine, ada) -> None:
    eve = await User.objects.acreate(username="eve")
    login = {SESSION_KEY: str(eve.pk), HASH_SESSION_KEY: eve.get_session_auth_hash()}
    async with await connect(ada) as socket:
        await change(socket.key, **login)
        await check_accounts(current_hub())
        await socket.expect_close(4440)


async def test_a_login_that_a_handler_has_not_saved_yet_keeps_its_socket(engine, ada) -> None:
    await User.objects.acreate(username="eve")
    async with await connect(ada) as socket:
        for name in ("ada", "eve", "ada"):
            await socket.send_json(name)
            await socket.expect_event(name)
        await check_accounts(current_hub())
        await socket.send_json(None)
        await socket.expect_event("ada")
