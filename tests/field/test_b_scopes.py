"""What others put into a scope: lazy users and sessions, and users of other models."""

from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import path
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.throttling import UserRateThrottle

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.multiplexer import Multiplexer
from rest_channels.revocation import arevoke
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler
from tests.observer.models import Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class ManyPerMinute(UserRateThrottle):
    rate = "1000/min"


class View(SocketView):
    permission_classes = [IsAuthenticated]
    throttle_classes = [ManyPerMinute]

    async def receive(self, request):
        self.send_json({"name": request.user.username, "cart": request.session["cart"]})


class Consumer(SocketConsumer):
    async def receive_json(self, content):
        scope = self.scope
        self.send_json({"name": scope["user"].username, "cart": scope["session"]["cart"]})


class Actions(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]
    throttle_classes = [ManyPerMinute]

    @action()
    async def show(self):
        await Consumer.receive_json(self, None)


class AuthenticatedActions(Actions):
    authentication_classes = [SessionAuthentication]


class Handler(RoutedSocketHandler):
    routes = [("show", "show")]

    async def show(self, content):
        await Consumer.receive_json(self, None)


APPLICATIONS = {
    "view": (View.as_asgi(), {}),
    "consumer": (Consumer.as_asgi(), {}),
    "actions": (Actions.as_asgi(), {"action": "show"}),
    "authenticated": (AuthenticatedActions.as_asgi(), {"action": "show"}),
    "handler": (Handler.as_asgi(), {"type": "show"}),
}


def lazily(application, session_key):
    """Return a middleware that sets a user and a session that query when they are used."""

    async def middleware(scope, receive, send):
        user = SimpleLazyObject(lambda: User.objects.get(username="ada"))
        session = SimpleLazyObject(lambda: SessionStore(session_key))
        await application({**scope, "user": user, "session": session}, receive, send)

    return middleware


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def key(ada):
    session = SessionStore()
    session["cart"] = [1]
    session.create()
    return session.session_key


@pytest.mark.parametrize("routed", ["directly", "in routes", "around routes", "in a stream"])
@pytest.mark.parametrize("name", APPLICATIONS)
async def test_a_lazy_user_and_session_are_evaluated_in_a_thread(name, routed, key, ada) -> None:
    application, frame = APPLICATIONS[name]
    if routed == "in a stream":
        application, frame = Multiplexer(a=application), {"stream": "a", "payload": frame}
    application = lazily(application, key)
    if routed == "in routes":
        application = SocketApplication([path("", application)])
    if routed == "around routes":
        application = lazily(SocketApplication([path("", APPLICATIONS[name][0])]), key)
    async with SocketCommunicator(application) as socket:
        await socket.send_json(frame)
        event = await socket.receive_json()
        event = event.get("payload", event)
        assert (event["name"], event["cart"]) == ("ada", [1])
        await User.objects.aupdate(is_active=False)
        await check_accounts(current_hub())
        await socket.expect_close(4442)


async def test_a_user_of_channels_middleware_is_current_too(ada) -> None:
    client = Client()
    await sync_to_async(client.force_login)(ada)
    cookie = ("cookie", f"sessionid={client.cookies['sessionid'].value}")
    view = AuthMiddlewareStack(Consumer.as_asgi())

    class Names(SocketView):
        async def receive(self, request):
            self.send_json(request.user.first_name)

    view = AuthMiddlewareStack(Names.as_asgi())
    async with SocketCommunicator(view, headers=[cookie]) as socket:
        ada.first_name = "Ada"
        await ada.asave()
        await socket.send_json(None)
        await socket.expect_event("Ada")


async def test_a_lazy_user_that_a_handler_sets_is_evaluated_before_the_next_event(ada) -> None:
    class Setting(SocketConsumer):
        async def receive_json(self, content):
            if content == "set":
                self.scope["user"] = SimpleLazyObject(lambda: User.objects.get(username="ada"))
            else:
                self.send_json(self.scope["user"].username)

    async with SocketCommunicator(Setting.as_asgi(), user=AnonymousUser()) as socket:
        await socket.send_json("set")
        await socket.send_json("show")
        await socket.expect_event("ada")
        await arevoke(user=ada)
        await socket.expect_close(4443)


async def test_a_lazy_user_of_an_authenticator_is_evaluated_in_a_thread(ada) -> None:
    class Lazy(BaseAuthentication):
        def authenticate(self, request):
            return SimpleLazyObject(lambda: User.objects.get(username="ada")), None

    class Guarded(AsyncAPIConsumer):
        authentication_classes = [Lazy]
        permission_classes = [IsAuthenticated]

        @action()
        async def who(self):
            return self.scope["user"].username, 200

    async with SocketCommunicator(Guarded.as_asgi(), dialect="action") as socket:
        await socket.send_json({"action": "who"})
        assert (await socket.receive_json())["data"] == "ada"


async def test_a_lazy_user_that_cannot_be_read_lets_the_client_connect_again(caplog) -> None:
    def fail():
        raise LookupError("no such host")

    socket = SocketCommunicator(View.as_asgi(), user=SimpleLazyObject(fail))
    assert await socket.connect() == (True, None)
    await socket.expect_close(4500)
    await socket.disconnect()
    assert "Cannot read the session and the user" in caplog.text


class Echo(SocketView):
    async def receive(self, request):
        self.send_json(request.data)


def stateless(pk):
    """Return the user of a token, such as those of SimpleJWT, without a row."""
    return SimpleNamespace(pk=pk, id=pk, is_active=True, is_authenticated=True)


@pytest.fixture
def others(ada):
    """Users that have the primary key of Ada, but are not she."""
    return [Tag.objects.create(pk=ada.pk, name="device"), stateless(ada.pk), stateless(str(ada.pk))]


@pytest.mark.parametrize("number", range(3))
async def test_an_end_of_a_user_leaves_others_with_the_same_key_connected(
    ada, others, number
) -> None:
    async with SocketCommunicator(Echo.as_asgi(), user=others[number]) as socket:
        await check_accounts(current_hub())
        await arevoke(user=ada)
        await arevoke(user=ada.pk)
        ada.is_active = False
        await ada.asave()
        await check_accounts(current_hub())
        await ada.adelete()
        await socket.send_json(1)
        await socket.expect_event(1)


@pytest.mark.parametrize("number", range(3))
async def test_revoking_another_object_closes_its_connections_only(ada, others, number) -> None:
    adas = SocketCommunicator(Echo.as_asgi(), user=ada)
    async with adas, SocketCommunicator(Echo.as_asgi(), user=others[number]) as socket:
        await arevoke(user=others[number])
        await socket.expect_close(4443)
        await adas.send_json(1)
        await adas.expect_event(1)


async def test_a_stateless_user_ends_with_its_session(key) -> None:
    user = stateless(7)
    async with SocketCommunicator(Echo.as_asgi(), user=user, session=SessionStore(key)) as socket:
        await SessionStore(key).adelete()
        await socket.expect_close(4440)
