"""What ends a login between the checks of a frame and its handler keeps it from the handler."""

import asyncio
import time

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpResponse
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.serializers import Serializer

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer, view_as_consumer
from rest_channels.decorators import action
from rest_channels.engine import account_status
from rest_channels.engine.publish import current_hub
from rest_channels.protocol.messages import Event
from rest_channels.revocation import arevoke
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.handlers import RoutedSocketHandler

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


class Token(TokenAuthentication):
    def authenticate_credentials(self, key):
        return User.objects.get(username="ada"), {"exp": time.time() + 60}


HEADER = ("authorization", "Token key")


async def expire_token(socket):
    """Let the token of the only connection expire now, and receive the frame that says so."""
    [connection] = current_hub().members.values()
    connection.scope["authentication"]._expire()
    assert (await socket.expect_event())["response_status"] == 401


class Rooms(AsyncAPIConsumer):
    authentication_classes = [Token]
    permission_classes = [IsAuthenticated]

    def block(self, event):
        self.gate.pass_through()

    @action()
    def rename(self):
        self.handled.append(self.scope["user"])
        return None, 200


class OwnReply(Rooms):
    async def reply(self, action, **kwargs):
        await super().reply(action, **kwargs)


@pytest.mark.parametrize("base", [Rooms, OwnReply])
async def test_a_def_that_waits_until_its_token_has_expired_is_answered_with_401(
    base, ada, gate, settle
) -> None:
    class Gated(base):
        handled = []

    Gated.gate = gate
    async with SocketCommunicator(Gated.as_asgi(), headers=[HEADER], dialect="action") as socket:
        [connection] = current_hub().members.values()
        connection.deliver(Event("", {"type": "block"}))
        assert await asyncio.to_thread(gate.reached.wait, 5)
        call = await socket.call("rename")
        await settle(lambda: connection.call_queue.busy)
        await expire_token(socket)
        gate.opened.set()
        assert (await socket.expect_reply(call))["response_status"] == 401
    assert Gated.handled == []


def guarded(kind, reached, opened, handled):
    """Return an application whose check of permissions a test lets go on."""

    async def check(consumer, *args, **kwargs):
        reached.set()
        await opened.wait()

    class View(SocketView):
        async def check_permissions(self, request=None):
            if self.event == "receive":
                await check(self)

        async def receive(self, request):
            handled.append(request.user)

    class Consumer(AsyncAPIConsumer):
        check_permissions = check

        @action()
        async def list(self):
            handled.append(self.scope["user"])

    def view(request):
        handled.append(request.user)
        return HttpResponse()

    wrapped = view_as_consumer(view)
    wrapped.consumer_class.check_permissions = check
    applications = {"view": View.as_asgi(), "consumer": Consumer.as_asgi(), "wrapped": wrapped}
    return applications[kind]


@pytest.mark.parametrize("kind", ["view", "consumer", "wrapped"])
async def test_a_frame_whose_user_is_read_again_during_its_checks_waits_for_the_result(
    kind, ada, gate, monkeypatch
) -> None:
    def slow_status(*args):
        gate.pass_through()
        return status(*args)

    reached, opened, handled = asyncio.Event(), asyncio.Event(), []
    status = account_status.account_status
    monkeypatch.setattr(account_status, "account_status", slow_status)
    application = guarded(kind, reached, opened, handled)
    async with SocketCommunicator(application, user=ada) as socket:
        await socket.send_json({"action": "list"})
        await reached.wait()
        changed = await User.objects.aget()
        changed.set_password("another")
        await changed.asave()
        assert await asyncio.to_thread(gate.reached.wait, 5)
        opened.set()
        await socket.expect_nothing()
        gate.opened.set()
        await socket.expect_close(4441)
    assert handled == []


async def end_in_the_gate(application, content, ada, gate):
    """Send a frame, and revoke its user while it is in the gate. The client does not leave yet."""
    async with SocketCommunicator(application, user=ada) as socket:
        await socket.send_json(content)
        assert await asyncio.to_thread(gate.reached.wait, 5)
        await arevoke(user=ada)
        gate.opened.set()
        await asyncio.sleep(0.05)
        await socket.expect_close(4443)


class GatedLogin(LoginRequiredMiddleware):
    def process_view(self, *args):
        self.gate.pass_through()
        return super().process_view(*args)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_view_is_not_called_for_a_user_who_is_revoked_in_a_middleware(
    kind, ada, gate, settings, monkeypatch
) -> None:
    def view(request):
        handled.append(request.user)
        return HttpResponse()

    async def async_view(request):
        return view(request)

    handled = []
    monkeypatch.setattr(GatedLogin, "gate", gate, raising=False)
    settings.MIDDLEWARE = [f"{__name__}.GatedLogin"]
    application = view_as_consumer(view if kind == "def" else async_view)
    await end_in_the_gate(application, {"action": "list"}, ada, gate)
    assert handled == []


async def test_a_view_is_not_called_for_a_token_that_expires_in_a_middleware(
    ada, gate, settings, monkeypatch
) -> None:
    def view(request):
        handled.append(request.user)
        return HttpResponse()

    handled = []
    monkeypatch.setattr(GatedLogin, "gate", gate, raising=False)
    settings.MIDDLEWARE = [f"{__name__}.GatedLogin"]
    application = view_as_consumer(view)
    application.consumer_class.authentication_classes = [Token]
    application.consumer_class.permission_classes = [IsAuthenticated]
    async with SocketCommunicator(application, headers=[HEADER], dialect="action") as socket:
        call = await socket.call("list")
        assert await asyncio.to_thread(gate.reached.wait, 5)
        await expire_token(socket)
        gate.opened.set()
        assert (await socket.expect_reply(call))["response_status"] == 401
    assert handled == []


async def test_a_message_that_is_validated_during_a_revocation_is_not_handled(ada, gate) -> None:
    class Line(Serializer):
        def validate(self, attrs):
            gate.pass_through()
            return attrs

    class Poker(RoutedSocketHandler):
        routes = (("ACT", "on_act", Line),)

        async def on_act(self, content):
            handled.append(content)

    handled = []
    await end_in_the_gate(Poker.as_asgi(), {"type": "ACT"}, ada, gate)
    assert handled == []


@pytest.mark.parametrize(("base", "name"), [(SocketConsumer, "decode"), (AsyncAPIConsumer, "name")])
async def test_a_frame_that_is_read_during_a_revocation_is_not_handled(
    base, name, ada, gate
) -> None:
    class Reading(base):
        if name == "decode":

            def decode_json(self, text):
                gate.pass_through()

            async def receive_json(self, content):
                handled.append(content)
        else:

            def get_action_name(self, content, **kwargs):
                gate.pass_through()
                return "rename", {}

            @action()
            async def rename(self):
                handled.append("rename")

    handled = []
    await end_in_the_gate(Reading.as_asgi(), {}, ada, gate)
    assert handled == []
