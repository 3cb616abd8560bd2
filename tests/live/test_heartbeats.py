"""What a heartbeat finds about a client changes its list, as what is signalled does."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import ObserverModelListMixin
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Tag

from .client import LiveList, client, subscribe
from .rows import TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)

BACKENDS = "django.contrib.sessions.backends."


class Chosen(ObserverModelListMixin, GenericAsyncAPIConsumer):
    """The tags whose first letter the session names."""

    serializer_class = TagSerializer
    asked = 0

    def get_queryset(self, **kwargs):
        type(self).asked += 1
        letter = self.scope["session"].get("letter", "")
        return Tag.objects.filter(name__startswith=letter).order_by("name")

    @action()
    def choose(self, letter, **kwargs):
        self.scope["session"]["letter"] = letter
        self.scope["session"].save()
        return None, 200


class StaffTags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = TagSerializer

    def get_queryset(self, **kwargs):
        return Tag.objects.all() if self.scope["user"].is_staff else Tag.objects.none()


@pytest.fixture(params=["cache", "cached_db", "db", "file"])
def page(request, settings, tmp_path):
    settings.SESSION_ENGINE = BACKENDS + request.param
    settings.SESSION_FILE_PATH = str(tmp_path)
    page = Client()
    page.force_login(User.objects.create_user("ada"))
    Tag.objects.create(name="a")
    Tag.objects.create(name="b")
    Chosen.asked = 0
    return page


def connected(page, consumer=None, **options):
    application = SocketApplication([path("", consumer or Chosen.as_asgi())])
    cookie = f"sessionid={page.cookies['sessionid'].value}"
    return SocketCommunicator(application, headers=[("cookie", cookie)], **options)


@sync_to_async
def choose(page, letter):
    """Save a value of the session as a page does."""
    session = page.session
    session["letter"] = letter
    session.save()


async def beat():
    await check_accounts(current_hub())


async def test_a_value_of_the_session_changes_the_list_within_a_heartbeat(page) -> None:
    async with connected(page, dialect="action") as socket:
        tags = await subscribe(socket)
        for letter in "ab":
            await choose(page, letter)
            await beat()
            await tags.until(letter)


async def test_a_value_that_the_client_itself_has_saved_changes_its_list(page) -> None:
    async with connected(page, dialect="action") as socket:
        tags = await subscribe(socket)
        call = await socket.call("choose", letter="b")
        await socket.expect_reply(call, status=200)
        await beat()
        await tags.until("b")


async def test_a_heartbeat_that_finds_nothing_asks_for_no_list(page) -> None:
    async with connected(page, dialect="action") as socket:
        await subscribe(socket)
        await beat()
        await socket.expect_nothing()
        asked = Chosen.asked
        for _ in range(3):
            await beat()
        await socket.expect_nothing()
        assert Chosen.asked == asked == 1


async def test_all_streams_of_a_socket_see_a_value_of_the_session(page) -> None:
    async with connected(page, Multiplexer(a=Chosen.as_asgi(), b=Chosen.as_asgi())) as socket:
        lists = []
        for stream in "ab":
            payload = {"action": "subscribe_list", "request_id": 1}
            await socket.send_json({"stream": stream, "payload": payload})
            lists.append(LiveList(None, (await socket.receive_json())["payload"]["data"], 1))
        await choose(page, "a")
        await beat()
        for _ in lists:
            frame = await socket.receive_json()
            lists["ab".index(frame["stream"])].apply(frame["payload"]["data"])
        assert [tags.shown for tags in lists] == [["a"], ["a"]]


class Waiting(Chosen):
    """A handler runs while the session is read."""

    @action()
    def wait(self, **kwargs):
        asyncio.run_coroutine_threadsafe(self.released.wait(), self.loop).result(5)
        return None, 200


async def test_a_value_that_is_read_while_a_handler_runs_changes_the_list_after_it(page) -> None:
    Waiting.released, Waiting.loop = asyncio.Event(), asyncio.get_running_loop()
    async with connected(page, Waiting.as_asgi(), dialect="action") as socket:
        tags = await subscribe(socket)
        call = await socket.call("wait")
        await socket.expect_nothing()
        await choose(page, "a")
        await beat()
        Waiting.released.set()
        await socket.expect_reply(call, status=200)
        await tags.until("a")


async def test_a_column_of_the_user_changes_the_list_within_a_heartbeat() -> None:
    await Tag.objects.acreate(name="a")
    ada = await User.objects.acreate_user("ada")
    async with client(StaffTags, user=ada) as socket:
        tags = await subscribe(socket)
        for is_staff, shown in ((True, ["a"]), (False, [])):
            await User.objects.aupdate(is_staff=is_staff)
            await beat()
            await tags.until(*shown)
