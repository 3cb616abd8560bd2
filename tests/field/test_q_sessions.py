"""What a page and a socket save in the same session holds for both, with every session engine."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connections

from rest_channels.consumers import SocketConsumer
from rest_channels.engine import account_status
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import RevocationIndex, check_accounts
from rest_channels.multiplexer import Multiplexer
from rest_channels.sessions import http_session
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent

SHARED_ENGINES = ["cache", "cached_db", "db", "file"]
"""Django's engines whose data pages and sockets share."""


class Cart(SocketConsumer):
    """Sends its session's data. A frame may set and delete values, clear, and save."""

    async def receive_json(self, content):
        session = self.scope["session"]
        if content.get("clear"):
            session.clear()
        session.update(content.get("set", {}))
        for name in content.get("delete", ()):
            del session[name]
        if content.get("save"):
            await session.asave()
        self.send_json(dict(session.items()))


def store(key=None):
    return import_module(django_settings.SESSION_ENGINE).SessionStore(key)


def create(**data):
    session = store()
    session.update(data)
    session.create()
    session.update(data)
    session.save()
    return session.session_key


def change(key, **data):
    """Change a session as a page does."""
    session = store(key)
    session.update(data)
    session.save()


def save_in_a_thread(session):
    session.save()
    connections.close_all()


async def saved(key):
    return dict(await sync_to_async(store(key).load)())


@pytest.fixture(params=SHARED_ENGINES)
def engine(request, settings, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return request.param


@asynccontextmanager
async def cart(**data):
    """A socket of a session with this data. `call` sends a frame and returns the answer."""
    key = await sync_to_async(create)(**data)
    async with SocketCommunicator(Cart.as_asgi(), session=store(key)) as socket:

        async def call(**frame):
            await socket.send_json(frame)
            return await socket.expect_event()

        socket.key, socket.call = key, call
        yield socket


# A page saves after the socket.


async def test_a_value_that_a_page_saves_after_the_socket_is_there_after_a_heartbeat(engine):
    async with cart(cart=[1]) as socket:
        await socket.call(set={"seen": 1}, save=True)
        await sync_to_async(change)(socket.key, seen=2)
        await check_accounts(current_hub())
        assert await socket.call() == {"cart": [1], "seen": 2}


async def test_a_value_that_a_page_deletes_after_the_socket_is_gone_after_a_heartbeat(engine):
    async with cart(cart=[1]) as socket:
        await socket.call(set={"seen": 1}, save=True)
        page = store(socket.key)
        await page.aload()
        await page.apop("seen")
        await page.asave()
        await check_accounts(current_hub())
        assert await socket.call() == {"cart": [1]}


async def test_a_second_save_of_the_socket_keeps_what_a_page_has_saved_meanwhile(engine):
    async with cart(cart=[1]) as socket:
        await socket.call(set={"seen": 1}, save=True)
        await sync_to_async(change)(socket.key, cart=[1, 2], seen=2)
        await socket.call(set={"other": 1}, save=True)
        expected = {"cart": [1, 2], "seen": 2, "other": 1}
        assert await saved(socket.key) == expected
        assert await socket.call() == expected


async def test_a_save_while_a_heartbeat_reads_keeps_its_own_value(engine, gate, monkeypatch):
    """The heartbeat has read the value of before. What it found is older than the save."""
    async with cart(cart=[1], seen=0) as socket:
        read = account_status.session_contents
        status = account_status.account_status

        def slowly(function):
            def wrapper(*args):
                found = function(*args)
                gate.pass_through()
                return found

            return wrapper

        monkeypatch.setattr(account_status, "session_contents", slowly(read))
        monkeypatch.setattr(account_status, "account_status", slowly(status))
        check = asyncio.create_task(check_accounts(current_hub()))
        await asyncio.to_thread(gate.reached.wait, 5)
        session = next(iter(current_hub().get_component(RevocationIndex).identities.values()))
        await session.session_object.aset("seen", 1)
        await asyncio.to_thread(save_in_a_thread, session.session_object)
        gate.opened.set()
        await check
        assert (await socket.call())["seen"] == 1
        monkeypatch.undo()
        await sync_to_async(change)(socket.key, seen=2)
        await check_accounts(current_hub())
        assert (await socket.call())["seen"] == 2


async def test_a_save_before_any_heartbeat_keeps_what_a_page_has_saved_meanwhile(engine):
    async with cart(cart=[1], old=1) as socket:
        await sync_to_async(change)(socket.key, cart=[2], new=1)
        assert (await socket.call(set={"seen": 1}, delete=["old"], save=True))["cart"] == [2]
        assert await saved(socket.key) == {"cart": [2], "new": 1, "seen": 1}


async def test_an_unsaved_change_stays_and_the_other_values_are_read(engine):
    async with cart(cart=[1], seen=0) as socket:
        await socket.call(set={"seen": 1})
        await sync_to_async(change)(socket.key, cart=[2])
        await check_accounts(current_hub())
        assert await socket.call() == {"cart": [2], "seen": 1}
        assert await saved(socket.key) == {"cart": [2], "seen": 0}


async def test_a_cleared_session_is_saved_without_what_a_page_has_added(engine):
    async with cart(cart=[1]) as socket:
        await sync_to_async(change)(socket.key, new=1)
        await socket.call(clear=True, set={"seen": 1}, save=True)
        assert await saved(socket.key) == {"seen": 1}
        await sync_to_async(change)(socket.key, new=2)
        await check_accounts(current_hub())
        assert await socket.call() == {"seen": 1, "new": 2}


async def test_a_page_that_saves_while_the_handler_of_the_socket_runs_is_seen_afterwards(engine):
    class Slow(Cart):
        async def receive_json(self, content):
            await super().receive_json(content)
            if content:
                await sync_to_async(change)(self.scope["session"].session_key, seen=2)

    key = await sync_to_async(create)(cart=[1])
    async with SocketCommunicator(Slow.as_asgi(), session=store(key)) as socket:
        await socket.send_json({"set": {"seen": 1}, "save": True})
        await socket.expect_event({"cart": [1], "seen": 1})
        await socket.send_json({})
        await socket.expect_event()
        await check_accounts(current_hub())
        await socket.send_json({})
        await socket.expect_event({"cart": [1], "seen": 2})


@pytest.mark.parametrize("value", [(1, 2), Decimal("1.5"), datetime(2026, 1, 2, tzinfo=UTC), {1}])
async def test_a_cache_keeps_values_that_json_has_not(value, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    class Values(SocketConsumer):
        async def receive_json(self, content):
            session = self.scope["session"]
            if content:
                session["value"] = value
                await session.asave()
            self.send_json([session["cart"], session.get("value") == value])

    key = await sync_to_async(create)(cart=1)
    async with SocketCommunicator(Values.as_asgi(), session=store(key)) as socket:
        await socket.send_json(True)
        await socket.expect_event([1, True])
        await sync_to_async(change)(key, cart=2)
        await check_accounts(current_hub())
        await socket.send_json(False)
        await socket.expect_event([2, True])


async def test_a_change_in_place_is_saved_like_any_other(engine):
    class InPlace(SocketConsumer):
        async def receive_json(self, content):
            session = self.scope["session"]
            for number in content:
                session["cart"].append(number)
                session.modified = True
                await session.asave()
            self.send_json(dict(session.items()))

    key = await sync_to_async(create)(cart=[1], other=1)
    async with SocketCommunicator(InPlace.as_asgi(), session=store(key)) as socket:
        await sync_to_async(change)(key, other=2)
        await socket.send_json([2, 3])
        await socket.expect_event({"cart": [1, 2, 3], "other": 2})
        assert await saved(key) == {"cart": [1, 2, 3], "other": 2}


async def test_a_def_handler_saves_as_an_async_one(engine):
    class Def(SocketConsumer):
        def receive_json(self, content):
            session = self.scope["session"]
            change(session.session_key, cart=[2])
            session["seen"] = 1
            session.save()
            self.send_json(dict(session.items()))

    key = await sync_to_async(create)(cart=[1])
    async with SocketCommunicator(Def.as_asgi(), session=store(key)) as socket:
        await socket.send_json({})
        await socket.expect_event({"cart": [2], "seen": 1})
        assert await saved(key) == {"cart": [2], "seen": 1}


async def test_a_session_that_was_saved_is_not_modified_any_more(engine):
    key = await sync_to_async(create)(cart=[1])
    session = store(key)
    async with SocketCommunicator(Cart.as_asgi(), session=session) as socket:
        await socket.send_json({"set": {"seen": 1}})
        await socket.expect_event()
        assert session.modified
        await socket.send_json({"save": True})
        await socket.expect_event()
        assert not session.modified


async def test_a_change_from_before_the_connection_is_kept_until_it_is_saved(engine):
    key = await sync_to_async(create)(cart=[1], seen=0)
    session = store(key)
    await session.aset("seen", 1)
    async with SocketCommunicator(Cart.as_asgi(), session=session) as socket:
        await sync_to_async(change)(key, cart=[2])
        await check_accounts(current_hub())
        await socket.send_json({"save": True})
        await socket.expect_event({"cart": [2], "seen": 1})
        assert await saved(key) == {"cart": [2], "seen": 1}


async def test_the_streams_of_a_multiplexer_merge_as_one_socket(engine):
    streams = Multiplexer({"a": Cart.as_asgi(), "b": Cart.as_asgi()})
    key = await sync_to_async(create)(cart=[1])
    async with SocketCommunicator(streams, session=store(key)) as socket:
        await socket.send_json({"stream": "a", "payload": {"set": {"a": 1}, "save": True}})
        await socket.expect_event()
        await sync_to_async(change)(key, cart=[2])
        await socket.send_json({"stream": "b", "payload": {"set": {"b": 1}, "save": True}})
        await socket.expect_event()
        assert await saved(key) == {"cart": [2], "a": 1, "b": 1}
        await check_accounts(current_hub())
        await socket.send_json({"stream": "a", "payload": {}})
        answer = await socket.expect_event()
        assert answer["payload"] == {"cart": [2], "a": 1, "b": 1}


async def test_an_http_session_that_an_event_saves_keeps_what_a_page_has_saved_meanwhile(engine):
    class Http(SocketView):
        @http_session
        def receive(self, request):
            change(request.http_session.session_key, cart=[2])
            request.http_session["seen"] = 1
            self.send_json("done")

    key = await sync_to_async(create)(cart=[1])
    async with SocketCommunicator(Http.as_asgi(), session=store(key)) as socket:
        await socket.send_json({})
        await socket.expect_event("done")
        await socket.send_json({})
        await socket.expect_event("done")
        assert await saved(key) == {"cart": [2], "seen": 1}


async def test_a_hundred_frames_of_a_socket_that_has_saved_cost_no_query(queries):
    async with cart(cart=[1]) as socket:
        await socket.call(set={"seen": 1}, save=True)
        await check_accounts(current_hub())
        queries.clear()
        for _ in range(100):
            await socket.call()
        assert queries == []


async def test_a_save_of_the_socket_reads_once_and_writes_once(queries):
    async with cart(cart=[1]) as socket:
        queries.clear()
        await socket.call(set={"seen": 1}, save=True)
        words = [sql.split()[0] for sql in queries]
        assert [word for word in words if word in {"SELECT", "UPDATE"}][:2] == ["SELECT", "UPDATE"]


# Sessions with a fixed end.


async def test_an_update_of_a_session_with_a_fixed_end_is_there_after_a_heartbeat():
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with cart(cart=[1], _session_expiry=end) as socket:
        await check_accounts(current_hub())
        data = store().encode({"cart": [2], "_session_expiry": end})
        await Session.objects.filter(pk=socket.key).aupdate(session_data=data)
        await check_accounts(current_hub())
        assert (await socket.call())["cart"] == [2]


# Engines of other projects.


@pytest.mark.programs
def test_an_engine_with_a_table_of_its_own_base_class_is_kept_current():
    options = ["-q", "-n0", "-x", "--noconftest", "-p", "no:cacheprovider", "--create-db"]
    settings = "--ds=tests.field.session_site.settings"
    command = [sys.executable, "-m", "pytest", settings, *options]
    done = subprocess.run(  # noqa: PLW1510 - the assertion below has the output
        [*command, HERE / "session_site" / "cases.py"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


STORED: dict[str, dict] = {}


class MemoryStore(SessionBase):
    """An engine without a table, which marks what it has loaded as modified."""

    def load(self):
        if self.session_key not in STORED:
            self._session_key = None
            return {}
        self.modified = True
        return dict(STORED[self.session_key])

    def exists(self, session_key):
        return session_key in STORED

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)

    def save(self, must_create=False):
        STORED[self.session_key] = dict(self._get_session(no_load=must_create))

    def delete(self, session_key=None):
        STORED.pop(session_key or self.session_key, None)


@pytest.fixture
def own_engine(settings, monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "SessionStore", MemoryStore, raising=False)
    settings.SESSION_ENGINE = __name__
    yield
    STORED.clear()


async def test_an_engine_without_a_table_is_read_again_by_the_heartbeat(own_engine):
    async with cart(cart=[1]) as socket:
        await sync_to_async(change)(socket.key, cart=[2])
        await check_accounts(current_hub())
        assert await socket.call() == {"cart": [2]}
        await sync_to_async(change)(socket.key, cart=[3])
        assert await socket.call(set={"seen": 1}, save=True) == {"cart": [3], "seen": 1}
        store(socket.key).delete()
        await check_accounts(current_hub())
        await socket.expect_close(4440)


# Sessions in signed cookies.


@pytest.fixture
def signed_cookies(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


@pytest.fixture
def an_hour_ago(monkeypatch):
    """Let what is signed before `undo()` be an hour old."""
    now = signing.time.time
    with monkeypatch.context() as patched:
        patched.setattr(signing.time, "time", lambda: now() - 3600)
        yield patched.undo


async def test_a_signed_cookie_that_is_too_old_closes_its_socket(
    signed_cookies, an_hour_ago, settings
):
    async with cart(cart=[1]) as socket:
        an_hour_ago()
        await check_accounts(current_hub())
        assert await socket.call() == {"cart": [1]}
        settings.SESSION_COOKIE_AGE = 3599
        await check_accounts(current_hub())
        await socket.expect_close(4440)


async def test_a_signed_cookie_of_another_secret_key_closes_its_socket(signed_cookies, settings):
    async with cart(cart=[1]) as socket:
        settings.SECRET_KEY = "another secret key"
        await check_accounts(current_hub())
        await socket.expect_close(4440)
