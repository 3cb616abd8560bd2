"""Run by `test_q_sessions.py` with the settings of this folder."""

import time

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import UpdateError
from django.urls import path

from rest_channels.concurrency.threads import thread_pool
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.field.session_site.engine import SessionStore
from tests.field.session_site.models import UserSession

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """End the threads with their test, because later ones may not query."""
    yield
    while len(thread_pool):
        thread_pool.shutdown()
        time.sleep(0.001)


class Cart(SocketView):
    """Sends the cart of its session. A frame may set a value, which is saved."""

    async def receive(self, request):
        if request.data:
            request.session.update(request.data)
            await request.session.asave()
        self.send_json([request.user.username, request.session["cart"]])


application = SocketApplication([path("", Cart.as_asgi())])


def log_in():
    ada = get_user_model().objects.create(username="ada")
    session = SessionStore(user_agent="Firefox")
    session[SESSION_KEY] = str(ada.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = ada.get_session_auth_hash()
    session["cart"] = 1
    session.save()
    return session.session_key


def change(key, **data):
    session = SessionStore(key, "Firefox")
    session.update(data)
    session.save()


@pytest.fixture
async def socket():
    key = await sync_to_async(log_in)()
    cookie = ("cookie", f"sessionid={key}")
    async with SocketCommunicator(application, headers=[cookie]) as socket:
        socket.key = key
        yield socket


async def test_what_a_page_saves_is_there_at_the_next_frame(socket):
    await sync_to_async(change)(socket.key, cart=2)
    await socket.send_json(None)
    await socket.expect_event(["ada", 2])


async def test_an_update_is_there_after_a_heartbeat(socket):
    await check_accounts(current_hub())
    stored = await sync_to_async(SessionStore(socket.key).load)()
    data = SessionStore().encode({**stored, "cart": 2})
    await UserSession.objects.filter(pk=socket.key).aupdate(session_data=data)
    await check_accounts(current_hub())
    await socket.send_json(None)
    await socket.expect_event(["ada", 2])


async def test_a_deleted_row_closes_the_socket_at_once(socket):
    await UserSession.objects.all().adelete()
    await socket.expect_close(4440)


async def test_a_row_deleted_without_a_signal_closes_the_socket_after_a_heartbeat(socket):
    query = UserSession.objects.all()
    await sync_to_async(query._raw_delete)(query.db)
    await check_accounts(current_hub())
    await socket.expect_close(4440)


async def test_a_save_of_the_socket_keeps_what_it_has_not_changed(socket):
    await sync_to_async(change)(socket.key, cart=2)
    await socket.send_json({"seen": 1})
    await socket.expect_event(["ada", 2])
    row = await UserSession.objects.aget()
    data = SessionStore().decode(row.session_data)
    assert (row.user_agent, data["cart"], data["seen"]) == ("Firefox", 2, 1)


async def test_a_save_of_the_socket_does_not_bring_a_deleted_session_back(socket):
    class Late(SocketView):
        async def receive(self, request):
            query = UserSession.objects.filter(pk=request.session.session_key)
            await sync_to_async(query._raw_delete)(query.db)
            request.session["seen"] = 1
            with pytest.raises(UpdateError):
                await request.session.asave()
            self.send_json(await UserSession.objects.acount())

    cookie = ("cookie", f"sessionid={socket.key}")
    app = SocketApplication([path("", Late.as_asgi())])
    async with SocketCommunicator(app, headers=[cookie]) as late:
        await late.send_json(None)
        await late.expect_event(0)
