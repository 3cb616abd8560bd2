"""Who a client is: DRF's authenticators, on the handshake and by a frame."""

import asyncio
import base64
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.utils import timezone
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.throttling import BaseThrottle, UserRateThrottle

from rest_channels import permissions
from rest_channels.authentication import expiry_of
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.mixins import RetrieveModelMixin
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class Bearer(TokenAuthentication):
    """Tokens are `<name>.<seconds that they are good for>`."""

    keyword = "Bearer"

    def authenticate_credentials(self, key):
        name, _dot, seconds = key.partition(".")
        user = User.objects.filter(username=name).first()
        if user is None:
            raise AuthenticationFailed("Invalid token.")
        return user, {"exp": time.time() + float(seconds or 60)}


class Me(AsyncAPIConsumer):
    authentication_classes = [Bearer, BasicAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]

    @action()
    def who(self):
        return [str(self.scope["user"]), self.request.auth is not None], 200


class Patient(Me):
    """Everybody may connect, and do nothing until he has said who he is."""

    permission_classes = [permissions.IsAuthenticated]


@pytest.fixture
async def ada():
    return await sync_to_async(User.objects.create_user)("ada", password="secret")


def client(consumer=Me, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def asked(socket, name, **frame):
    await socket.send_json({"action": name, "request_id": 7, **frame})
    said = await socket.receive_json()
    return said["response_status"], said["data"] if said["data"] is not None else said["errors"]


def basic(text):
    return ("authorization", f"Basic {base64.b64encode(text.encode()).decode()}")


@pytest.mark.parametrize(
    "given",
    [
        {"headers": [("authorization", "Bearer ada")]},
        {"subprotocols": ["authorization.Bearer.ada.60"]},
        {"subprotocols": ["chat", "authorization.Bearer.ada"]},
    ],
)
async def test_a_token_comes_by_header_or_by_subprotocol(ada, given) -> None:
    async with client(**given) as socket:
        assert await asked(socket, "who") == (200, ["ada", True])


async def test_a_browser_that_offers_subprotocols_gets_one(ada) -> None:
    token = "authorization.Bearer.ada"
    for offered, chosen in ([token], token), ([token, "chat"], "chat"):
        socket = client(subprotocols=offered)
        assert await socket.connect() == (True, chosen)
        await socket.disconnect()


async def test_basic_and_session_authentication_work(ada) -> None:
    async with client(headers=[basic("ada:secret")]) as socket:
        assert await asked(socket, "who") == (200, ["ada", False])
    async with client(user=ada) as socket:
        assert await asked(socket, "who") == (200, ["ada", False])


async def test_a_session_counts_only_where_an_authenticator_takes_it(ada) -> None:
    class NoSessions(Me):
        authentication_classes = [Bearer]

    socket = client(NoSessions, user=ada)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"headers": [("authorization", "Bearer nobody")]},
        {"headers": [basic("ada:wrong")]},
        {"subprotocols": ["authorization.Bearer.nobody"]},
        {"subprotocols": ["authorization."]},
        {"user": AnonymousUser()},
    ],
)
async def test_who_has_no_good_credentials_is_refused_before_accepting(ada, given) -> None:
    socket = client(**given)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize(
    ("classes", "code"), [([Bearer], 4401), ([SessionAuthentication], 4403), ([], 4403)]
)
async def test_after_accepting_a_browser_can_read_why(settings, classes, code) -> None:
    settings.REST_CHANNELS = {"REFUSE_AFTER_ACCEPTING": True}
    consumer = type("Consumer", (Me,), {"authentication_classes": classes})
    socket = client(consumer)
    assert (await socket.connect())[0] is True
    refused = await socket.receive_json()
    assert (refused["response_status"], refused["action"]) == (code - 4000, None)
    await socket.expect_close(code)
    await socket.disconnect()


async def test_a_frame_says_who_one_is(ada) -> None:
    async with client(Patient) as socket:
        assert await asked(socket, "who") == (
            401,
            ["Authentication credentials were not provided."],
        )
        assert await asked(socket, "authenticate", token="ada") == (200, {"user": ada.pk})
        assert await asked(socket, "who") == (200, ["ada", True])
        again = await asked(socket, "authenticate", token="ada.60", scheme="Bearer")
        assert again == (200, {"user": ada.pk})


@pytest.mark.parametrize("token", ["nobody", "", None, 7, ["ada"], "a b", "a\r\nb", "x" * 10_000])
async def test_a_token_that_is_none_is_a_401_and_the_connection_lives(ada, token) -> None:
    async with client(Patient) as socket:
        assert (await asked(socket, "authenticate", token=token))[0] == 401
        assert (await asked(socket, "who"))[0] == 401


@pytest.mark.parametrize("frame", [{"token": "bogus"}, {"token": "bogus", "scheme": "Foo"}])
async def test_a_bad_token_renews_nothing_whatever_else_is_good(ada, frame) -> None:
    class Both(Patient):
        authentication_classes = [Bearer, SessionAuthentication]

    async with client(Both, user=ada, headers=[("authorization", "Bearer ada.0.2")]) as socket:
        assert (await asked(socket, "authenticate", **frame))[0] in (401, 403)
        warned = await socket.receive_json()
        assert warned["response_status"] == 401
        assert (await asked(socket, "who"))[0] in (401, 403)


async def test_who_accepts_himself_accepts_the_subprotocol(ada) -> None:
    class Accepting(Me):
        async def connect(self):
            await self.accept()

    socket = client(Accepting, subprotocols=["authorization.Bearer.ada"])
    assert await socket.connect() == (True, "authorization.Bearer.ada")
    await socket.disconnect()


async def test_a_connection_is_one_users_for_its_life(ada) -> None:
    await sync_to_async(User.objects.create_user)("bob")
    async with client(Patient) as socket:
        assert (await asked(socket, "authenticate", token="ada"))[0] == 200
        assert (await asked(socket, "authenticate", token="ada"))[0] == 200
        status, [error] = await asked(socket, "authenticate", token="bob")
        assert (status, "belongs to another user" in error) == (403, True)
        assert await asked(socket, "who") == (200, ["ada", True])


async def test_an_expired_token_is_not_followed_by_another_users(ada) -> None:
    await sync_to_async(User.objects.create_user)("bob")
    async with client(Patient) as socket:
        await asked(socket, "authenticate", token="ada.0.05")
        await socket.receive_json()
        assert (await asked(socket, "authenticate", token="bob"))[0] == 403
        assert (await asked(socket, "who"))[0] == 401


async def test_what_was_begun_under_a_token_ends_with_it(ada) -> None:
    ended = asyncio.Event()

    class Working(Patient):
        @action(detached=True)
        async def work(self):
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    async with client(Working) as socket:
        await asked(socket, "authenticate", token="ada.0.2")
        await socket.send_json({"action": "work"})
        await asyncio.wait_for(ended.wait(), 2)


async def test_guessing_tokens_is_throttled_as_actions_are(ada) -> None:
    class Three(UserRateThrottle):
        scope = "three"
        rate = "3/min"

    class Guarded(Patient):
        throttle_classes = [Three]

    cache.clear()
    async with client(Guarded) as socket:
        statuses = [(await asked(socket, "authenticate", token=f"x{n}"))[0] for n in range(4)]
        assert statuses == [401, 401, 401, 429]


async def test_actions_are_throttled_by_drfs_classes(ada) -> None:
    class Two(UserRateThrottle):
        scope = "two"
        rate = "2/min"

    class Guarded(Me):
        throttle_classes = [Two]

    cache.clear()
    async with client(Guarded, headers=[("authorization", "Bearer ada")]) as socket:
        assert [(await asked(socket, "who"))[0] for _ in range(2)] == [200, 200]
        status, [error] = await asked(socket, "who")
        assert (status, error["retry_after"] > 0) == (429, True)


async def test_an_object_is_refused_with_401_where_credentials_are_asked_for(ada) -> None:
    class Own(BasePermission):
        def has_object_permission(self, request, view, obj):
            return obj == request.user

    class Users(RetrieveModelMixin, GenericAsyncAPIConsumer):
        authentication_classes = [Bearer]
        permission_classes = [Own]
        queryset = User.objects.all()

    async with client(Users) as socket:
        assert (await asked(socket, "retrieve", pk=ada.pk))[0] == 401


async def test_without_authenticators_there_is_no_such_action() -> None:
    class Open(AsyncAPIConsumer):
        pass

    async with client(Open) as socket:
        refused = (405, ['Method "authenticate" not allowed.'])
        assert await asked(socket, "authenticate", token="ada") == refused


async def test_authenticators_may_be_a_setting(ada, settings) -> None:
    settings.REST_CHANNELS = {"DEFAULT_AUTHENTICATION_CLASSES": [f"{__name__}.Bearer"]}

    class Default(Me):
        authentication_classes = None

    async with client(Default, headers=[("authorization", "Bearer ada")]) as socket:
        assert (await asked(socket, "who"))[0] == 200


# Tokens expire.


async def test_who_brings_another_token_in_time_stays(ada) -> None:
    async with client(Patient) as socket:
        await asked(socket, "authenticate", token="ada.0.05")
        warned = await socket.receive_json()
        assert (warned["action"], warned["response_status"]) == ("authenticate", 401)
        assert (await asked(socket, "who"))[0] == 401
        assert (await asked(socket, "authenticate", token="ada"))[0] == 200
        assert (await asked(socket, "who"))[0] == 200


async def test_who_brings_none_is_closed(ada, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": 0.05}
    async with client(Patient) as socket:
        await asked(socket, "authenticate", token="ada.0.05")
        await socket.expect_close(4401)


async def test_without_a_grace_one_is_closed_at_once(ada, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": None}
    async with client(headers=[("authorization", "Bearer ada.0.05")]) as socket:
        await socket.expect_close(4401)


def test_when_a_token_expires_is_read_as_its_makers_write_it() -> None:
    moment = timezone.now() + timedelta(hours=1)
    for name in ("expires", "expiry", "expires_at"):
        assert expiry_of(SimpleNamespace(**{name: moment})) == moment.timestamp()
    assert expiry_of({"exp": 7}) == 7.0
    for endless in (None, {}, "token", SimpleNamespace(expires=None), {"exp": "soon"}):
        assert expiry_of(endless) is None


class Person(SimpleNamespace):
    is_authenticated = True


class Customer(Person):
    pass


class Admin(Person):
    pass


class ByName(BaseAuthentication):
    """Tokens are `<kind>:<pk>`, of users that are no models; some have no pk."""

    def authenticate(self, request):
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        kind, _colon, pk = header.split()[1].partition(":")
        kinds = {"customer": Customer, "admin": Admin}
        return kinds.get(kind, Person)(name=header, **({"pk": pk} if pk else {})), None


@pytest.mark.parametrize(
    ("other", "status"),
    [("customer:1", 200), ("customer:2", 403), ("admin:1", 403), ("customer", 403)],
)
async def test_a_pk_alone_makes_nobody_the_same(other, status) -> None:
    class Mine(Patient):
        authentication_classes = [ByName]

    async with client(Mine) as socket:
        assert (await asked(socket, "authenticate", token="customer:1"))[0] == 200
        assert (await asked(socket, "authenticate", token=other))[0] == status


async def test_who_has_no_pk_is_followed_by_nobody() -> None:
    class Mine(Patient):
        authentication_classes = [ByName]

        @action()
        def name(self):
            return self.scope["user"].name, 200

    async with client(Mine) as socket:
        assert await asked(socket, "authenticate", token="a") == (200, {"user": None})
        assert (await asked(socket, "authenticate", token="b"))[0] == 403
        assert await asked(socket, "name") == (200, "Bearer a")


@pytest.mark.parametrize("detached", [True, False])
async def test_a_token_that_expires_before_the_action_begins_is_a_401(ada, detached) -> None:
    class Slow(BaseThrottle):
        def allow_request(self, request, view):
            time.sleep(0.3 if view.action == "secret" else 0)
            return True

    class Mine(Patient):
        throttle_classes = [Slow]

        @action(detached=detached)
        async def secret(self):
            return str(self.scope["user"]), 200

    async with client(Mine) as socket:
        assert (await asked(socket, "authenticate", token="ada.0.15"))[0] == 200
        call = await socket.call("secret")
        await socket.expect_reply(call, response_status=401, data=None)


async def test_a_query_string_is_no_answer_to_a_bad_token(ada) -> None:
    class InQuery(BaseAuthentication):
        def authenticate(self, request):
            name = request.query_params.get("token")
            return (User.objects.get(username=name), name) if name else None

    class Mine(Me):
        authentication_classes = [InQuery]

    async with client(Mine, path="/?token=ada") as socket:
        assert (await asked(socket, "authenticate", token="bogus"))[0] in (401, 403)
        assert await asked(socket, "who") == (200, ["ada", True])
