"""A handler that logs a user in or out keeps its connection, which is watched from then on."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from channels.auth import login, logout
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import alogout, get_user_model
from django.contrib.auth import logout as django_logout
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.permissions import IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, detached
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.multiplexer import Multiplexer
from rest_channels.revocation import arevoke
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def grace():
    return User.objects.create_user("grace", password="secret")


def new_session(**data):
    session = SessionStore()
    session.update(data)
    session.create()
    return SessionStore(session.session_key)


@pytest.fixture
def anonymous_session():
    return new_session(cart=[1])


@pytest.fixture
def adas_session(ada):
    client = Client()
    client.force_login(ada)
    return SessionStore(client.session.session_key)


class Door(SocketConsumer):
    """Logs in the user that a frame names, or logs out."""

    async def receive_json(self, content):
        await self.enter(content)
        user, session = self.scope["user"], self.scope["session"]
        self.send_json([user.username, session.session_key is not None])

    async def enter(self, content):
        if content is None:
            await logout(self.scope)
        else:
            await login(self.scope, await User.objects.aget(username=content))
            await self.scope["session"].asave()


class SyncDoor(Door):
    def enter(self, content):
        super_enter = Door.enter.__get__(self)
        async_to_sync(super_enter)(content)

    def receive_json(self, content):
        self.enter(content)
        self.send_json([self.scope["user"].username, self.scope["session"].session_key is not None])


doors = pytest.mark.parametrize("door", [Door, SyncDoor])


@doors
async def test_a_login_in_a_handler_does_not_close_the_socket(door, ada, anonymous_session) -> None:
    async with SocketCommunicator(door.as_asgi(), session=anonymous_session) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()


@doors
async def test_a_login_without_a_session_key_does_not_close_the_socket(door, ada) -> None:
    async with SocketCommunicator(door.as_asgi(), session=SessionStore()) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def delete_the_session(user, session):
    await SessionStore(session.session_key).adelete()


async def deactivate(user, session):
    user.is_active = False
    await user.asave()


async def deactivate_without_a_signal(user, session):
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    await check_accounts(current_hub())


async def change_the_password(user, session):
    user.set_password("other")
    await user.asave()


async def revoke_the_user(user, session):
    await arevoke(user=user)


async def revoke_the_session(user, session):
    await arevoke(session_key=session.session_key)


ENDS = [
    (delete_the_session, 4440),
    (change_the_password, 4441),
    (deactivate, 4442),
    (deactivate_without_a_signal, 4442),
    (revoke_the_user, 4443),
    (revoke_the_session, 4443),
]


@doors
@pytest.mark.parametrize(("end", "code"), ENDS)
@pytest.mark.parametrize("with_key", [True, False])
async def test_a_connection_that_has_logged_in_ends_like_any_other(
    door, ada, anonymous_session, end, code, with_key
) -> None:
    session = anonymous_session if with_key else SessionStore()
    async with SocketCommunicator(door.as_asgi(), session=session) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await end(ada, session)
        await socket.expect_close(code)


@doors
async def test_a_connection_that_has_switched_users_ends_with_the_second(
    door, ada, grace, adas_session
) -> None:
    async with SocketCommunicator(door.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json("grace")
        await socket.expect_event(["grace", True])
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(grace, adas_session)
        await socket.expect_close(4440)


@doors
async def test_a_logout_in_a_handler_closes_the_other_sockets_of_the_session_only(
    door, ada, adas_session
) -> None:
    other_session = SessionStore(adas_session.session_key)
    other = SocketCommunicator(Door.as_asgi(), session=other_session, user=ada)
    async with SocketCommunicator(door.as_asgi(), session=adas_session, user=ada) as socket, other:
        await socket.send_json(None)
        await socket.expect_event(["", False])
        await other.expect_close(4440)
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_a_logout_of_django_in_a_view_keeps_the_socket(ada, adas_session) -> None:
    class LogOut(SocketView):
        def receive(self, request):
            django_logout(request)
            self.send_json(request.user.username)

    async with SocketCommunicator(LogOut.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event("")
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_an_asynchronous_logout_of_django_in_a_view_keeps_the_socket(
    ada, adas_session
) -> None:
    class LogOut(SocketView):
        async def receive(self, request):
            request.auser = lambda: User.objects.aget(pk=ada.pk)
            await alogout(request)
            self.send_json(request.user.username)

    async with SocketCommunicator(LogOut.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event("")
        await socket.expect_nothing()


async def test_a_session_that_a_handler_flushes_without_a_logout_closes_the_socket(
    ada, adas_session
) -> None:
    class Flush(SocketView):
        def receive(self, request):
            request.session.flush()

    async with SocketCommunicator(Flush.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_close(4440)


async def test_a_new_key_for_the_session_of_the_same_user_keeps_the_socket(
    ada, adas_session
) -> None:
    class Cycle(SocketView):
        async def receive(self, request):
            await request.session.acycle_key()
            self.send_json(None)

    async with SocketCommunicator(Cycle.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(ada, adas_session)
        await socket.expect_close(4440)


async def test_a_login_in_a_stream_keeps_the_socket(ada, anonymous_session) -> None:
    streams = Multiplexer(door=Door.as_asgi())
    async with SocketCommunicator(streams, session=anonymous_session) as socket:
        await socket.send_json({"stream": "door", "payload": "ada"})
        await socket.expect_event(payload=["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(ada, anonymous_session)
        await socket.expect_close(4440)


async def test_a_scope_whose_user_is_replaced_in_any_way_is_watched(ada, grace) -> None:
    class Replace(SocketConsumer):
        async def receive_json(self, content):
            del self.scope["user"]
            self.scope.setdefault("user", grace)
            self.scope |= {"user": grace, "other": 1}
            self.scope.update(user=self.scope.pop("user"))
            self.send_json(None)

    async with SocketCommunicator(Replace.as_asgi(), user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
        await deactivate(ada, None)
        await socket.expect_nothing()
        await deactivate(grace, None)
        await socket.expect_close(4442)


# A Multiplexer: its streams have one session, so a login in one is a login in all.


class Name(SocketConsumer):
    async def receive_json(self, content):
        user = self.scope.get("user")
        self.send_json(user.username if user else "")


class Members(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]

    @action()
    async def name(self):
        return self.scope["user"].username, 200


class LogOut(SocketView):
    def receive(self, request):
        django_logout(request)
        self.send_json("")


class AdasToken(TokenAuthentication):
    def authenticate_credentials(self, key):
        return User.objects.get(username="ada"), key


class WithToken(Members):
    authentication_classes = [AdasToken]


def client(session, user=None, headers=(), **streams):
    application = Multiplexer({name: each.as_asgi() for name, each in streams.items()})
    return SocketCommunicator(application, session=session, user=user, headers=list(headers))


async def call(socket, stream, payload, answer):
    await socket.send_json({"stream": stream, "payload": payload})
    await socket.expect_event(stream=stream, payload=answer)


@doors
async def test_a_login_in_one_stream_is_the_user_of_all(door, ada, anonymous_session) -> None:
    async with client(anonymous_session, door=door, name=Name) as socket:
        await call(socket, "door", "ada", ["ada", True])
        await call(socket, "name", None, "ada")
        await deactivate(ada, None)
        await socket.expect_close(4442)


@doors
async def test_a_logout_in_one_stream_leaves_all_open_without_a_user(
    door, ada, adas_session
) -> None:
    async with client(adas_session, ada, door=door, name=Name, members=Members) as socket:
        await call(socket, "door", None, ["", False])
        await call(socket, "name", None, "")
        await socket.send_json({"stream": "members", "payload": {"action": "name"}})
        assert (await socket.receive_json())["payload"]["response_status"] == 403
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_a_logout_of_django_in_one_stream_leaves_all_open(ada, adas_session) -> None:
    async with client(adas_session, ada, door=LogOut, name=Name) as socket:
        await call(socket, "door", None, "")
        await call(socket, "name", None, "")
        await check_accounts(current_hub())
        await socket.expect_nothing()


@doors
async def test_another_user_in_one_stream_is_the_user_of_all(
    door, ada, grace, adas_session
) -> None:
    async with client(adas_session, ada, door=door, name=Name) as socket:
        await call(socket, "door", "grace", ["grace", True])
        await call(socket, "name", None, "grace")
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(grace, adas_session)
        await socket.expect_close(4440)


async def test_a_stream_inside_another_multiplexer_has_the_same_user(
    ada, anonymous_session
) -> None:
    class Inner:
        as_asgi = staticmethod(lambda: Multiplexer(name=Name.as_asgi()))

    async with client(anonymous_session, door=Door, inner=Inner) as socket:
        await call(socket, "door", "ada", ["ada", True])
        await socket.send_json({"stream": "inner", "payload": {"stream": "name", "payload": 1}})
        await socket.expect_event(payload={"stream": "name", "payload": "ada"})


async def test_a_stream_with_a_token_ends_with_its_session_and_takes_over_no_login(
    ada, grace, anonymous_session
) -> None:
    header = ("authorization", "Token key")
    async with client(anonymous_session, None, [header], door=Door, token=WithToken) as socket:
        await socket.send_json({"stream": "token", "payload": {"action": "name"}})
        assert (await socket.expect_event(stream="token"))["payload"]["data"] == "ada"
        await call(socket, "door", "grace", ["grace", True])
        ended = await socket.expect_event(stream="token")
        assert ended["payload"]["response_status"] == 440
        await call(socket, "door", "ada", ["ada", True])


async def test_the_token_of_one_stream_is_no_login_of_the_others(ada, anonymous_session) -> None:
    header = ("authorization", "Token key")
    async with client(anonymous_session, None, [header], token=WithToken, name=Name) as socket:
        await call(socket, "name", None, "")


class OnlyToken(AsyncAPIConsumer):
    authentication_classes = [AdasToken]

    @action()
    async def name(self):
        return getattr(self.scope["user"], "username", ""), 200


class SessionOrToken(OnlyToken):
    authentication_classes = [AdasToken, SessionAuthentication]


@pytest.mark.parametrize(("consumer", "name"), [(OnlyToken, ""), (SessionOrToken, "ada")])
async def test_a_login_is_that_of_a_stream_whose_authenticators_accept_sessions(
    ada, anonymous_session, consumer, name
) -> None:
    async with client(anonymous_session, door=Door, api=consumer) as socket:
        for expected in ("", name):
            await socket.send_json({"stream": "api", "payload": {"action": "name"}})
            assert (await socket.expect_event(stream="api"))["payload"]["data"] == expected
            await call(socket, "door", "ada", ["ada", True])


async def test_a_stream_that_connects_during_a_logout_has_no_user(ada, adas_session) -> None:
    logged_out = asyncio.Event()

    class Late:
        @staticmethod
        def as_asgi():
            async def application(scope, receive, send):
                await logged_out.wait()
                await Name.as_asgi()(scope, receive, send)

            return application

    async with client(adas_session, ada, door=Door, late=Late) as socket:
        await call(socket, "door", None, ["", False])
        logged_out.set()
        await call(socket, "late", None, "")


class PlainDoor(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await logout(self.scope)


async def test_a_logout_in_a_stream_of_plain_channels_closes_the_socket(ada, adas_session) -> None:
    async with client(adas_session, ada, door=PlainDoor, name=Name) as socket:
        await call(socket, "name", None, "ada")
        await socket.send_json({"stream": "door", "payload": None})
        await socket.expect_close(4440)


# Detached actions.


class DetachedDoor(AsyncAPIConsumer):
    @action()
    @detached
    async def enter(self, user=None):
        if user is None:
            await logout(self.scope)
        else:
            await login(self.scope, await User.objects.aget(username=user))
            await self.scope["session"].asave()
        return self.scope["user"].username, 200

    @action()
    async def name(self):
        return self.scope["user"].username, 200


async def enter(socket, name):
    await socket.expect_reply(await socket.call("enter", user=name), status=200)
    reply = await socket.expect_reply(await socket.call("name"), status=200)
    await check_accounts(current_hub())
    await socket.expect_nothing()
    return reply["data"]


async def test_a_login_in_a_detached_action_is_that_of_the_connection(
    ada, grace, anonymous_session
) -> None:
    socket = SocketCommunicator(DetachedDoor.as_asgi(), session=anonymous_session, dialect="action")
    async with socket:
        assert await enter(socket, "ada") == "ada"
        assert await enter(socket, "grace") == "grace"
        await deactivate(ada, None)
        await socket.expect_nothing()
        await delete_the_session(grace, anonymous_session)
        await socket.expect_close(4440)


async def test_a_logout_in_a_detached_action_keeps_the_connection(ada, adas_session) -> None:
    socket = SocketCommunicator(
        DetachedDoor.as_asgi(), session=adas_session, user=ada, dialect="action"
    )
    async with socket:
        assert await enter(socket, None) == ""
        await deactivate(ada, None)
        await socket.expect_nothing()


async def test_a_lazy_user_who_is_deleted_while_being_read_ends_the_connection(ada) -> None:
    class LazyDoor(Door):
        async def receive_json(self, content):
            self.scope["user"] = SimpleLazyObject(read_and_delete)

    def read_and_delete():
        user = User.objects.get(pk=ada.pk)
        User.objects.get(pk=ada.pk).delete()
        return user

    async with SocketCommunicator(LazyDoor.as_asgi()) as socket:
        await socket.send_json("ada")
        await socket.expect_close(4442)
