"""Run by `test_b_sites.py` with `settings_accounts`."""

import time

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.urls import path
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import IsAdminUser, IsAuthenticated

from rest_channels.concurrency.threads import thread_pool
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.revocation import arevoke
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.field.identity_site.models import Device, Employee, Member, MemberProxy, Person
from tests.field.identity_site.sessions import SessionStore

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "people"])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """End the threads with their test, because later ones may not query."""
    yield
    while len(thread_pool):
        thread_pool.shutdown()
        time.sleep(0.001)


class Describe(SocketView):
    async def receive(self, request):
        user = request.user
        self.send_json([getattr(user, request.data, None), request.session["cart"]])


application = SocketApplication([path("", Describe.as_asgi())])


def log_in(user):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["cart"] = 1
    session.save()
    return session.session_key


@pytest.fixture
def ada():
    return Member.objects.create(username="ada", password="x", nickname="A", is_staff=True)


@pytest.fixture
async def socket(ada):
    key = await sync_to_async(log_in)(ada)
    cookie = ("cookie", f"sessionid={key}")
    async with SocketCommunicator(application, headers=[cookie]) as socket:
        socket.key = key
        yield socket


async def expect(socket, column, value, cart=1):
    await socket.send_json(column)
    await socket.expect_event([value, cart])


async def test_a_saved_user_of_another_database_is_seen_at_the_next_frame(ada, socket):
    await expect(socket, "nickname", "A")
    ada.nickname, ada.is_staff = "B", False
    await ada.asave()
    await expect(socket, "nickname", "B")
    await expect(socket, "is_staff", False)


async def test_a_row_of_a_parent_table_is_seen_at_the_next_frame(ada, socket):
    person = await Person.objects.aget()
    person.nickname = "P"
    await person.asave()
    await expect(socket, "nickname", "P")


async def test_an_update_is_seen_after_a_heartbeat(ada, socket):
    await Person.objects.aupdate(nickname="U")
    await Member.objects.aupdate(is_staff=False)
    await check_accounts(current_hub())
    await expect(socket, "nickname", "U")
    await expect(socket, "is_staff", False)


async def test_a_proxy_that_is_saved_is_seen_at_the_next_frame(ada, socket):
    proxy = await MemberProxy.objects.aget()
    proxy.nickname = "Q"
    await proxy.asave()
    await expect(socket, "nickname", "Q")


async def test_a_session_in_a_table_of_the_project_is_current(ada, socket):
    def change():
        session = SessionStore(socket.key)
        session["cart"] = 2
        session.save()

    await sync_to_async(change)()
    await expect(socket, "nickname", "A", cart=2)
    await sync_to_async(SessionStore(socket.key).delete)()
    await socket.expect_close(4440)


async def change_the_password(ada):
    ada.password = "y"
    await ada.asave()


async def update_the_password(ada):
    await Member.objects.aupdate(password="y")
    await check_accounts(current_hub())


async def delete(ada):
    await ada.adelete()


async def delete_the_person(ada):
    await (await Person.objects.aget()).adelete()


async def revoke_the_key(ada):
    await arevoke(user=ada.pk)


async def revoke_the_text(ada):
    await arevoke(user=str(ada.pk))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (change_the_password, 4441),
        (update_the_password, 4441),
        (delete, 4442),
        (delete_the_person, 4442),
        (revoke_the_key, 4443),
        (revoke_the_text, 4443),
    ],
)
async def test_an_end_closes_the_socket(ada, socket, end, code):
    await end(ada)
    await socket.expect_close(code)


@pytest.mark.parametrize("model", [Employee, MemberProxy])
async def test_the_columns_of_a_child_of_the_user_model_are_current(model):
    user = await model.objects.acreate(username="eve", password="x")
    column = "department" if model is Employee else "nickname"

    class Show(SocketView):
        async def receive(self, request):
            self.send_json(getattr(request.user, column))

    own = await model.objects.aget()
    async with SocketCommunicator(Show.as_asgi(), user=own) as socket:
        for number in range(2):
            setattr(user, column, f"a{number}")
            await user.asave()
            await socket.send_json(None)
            await socket.expect_event(f"a{number}")
            await model.objects.aupdate(**{column: f"b{number}"})
            await check_accounts(current_hub())
            await socket.send_json(None)
            await socket.expect_event(f"b{number}")
        await arevoke(user=await Member.objects.aget())
        await socket.expect_close(4443)


async def test_a_device_with_the_key_of_a_user_stays_connected(ada):
    class Echo(SocketView):
        async def receive(self, request):
            self.send_json(request.data)

    device = await Device.objects.acreate(id=ada.pk)
    async with SocketCommunicator(Echo.as_asgi(), user=device) as socket:
        await arevoke(user=ada)
        await ada.adelete()
        await check_accounts(current_hub())
        await socket.send_json(1)
        await socket.expect_event(1)
        await arevoke(user=device)
        await socket.expect_close(4443)


class Guarded(AsyncAPIConsumer):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class Staff(Guarded):
    permission_classes = [IsAdminUser]


async def test_a_token_of_drf_that_is_deleted_closes_its_socket(ada):
    token = await Token.objects.acreate(user=ada)
    header = ("authorization", f"Token {token.key}")
    async with SocketCommunicator(Guarded.as_asgi(), headers=[header]) as socket:
        await token.adelete()
        await socket.expect_close(4401)
    token = await Token.objects.acreate(user=ada)
    header = ("authorization", f"Token {token.key}")
    async with SocketCommunicator(Guarded.as_asgi(), headers=[header]) as socket:
        await Token.objects.all().adelete()
        await socket.expect_close(4401)
