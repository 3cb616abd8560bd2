"""Authentication with the classes of DRF: at the handshake, and by a frame."""

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
    """Tokens are `<name>.<seconds until they expire>`."""

    keyword = "Bearer"

    def authenticate_credentials(self, key):
        name, _dot, seconds = key.partition(".")
        user = User.objects.filter(username=name).first()
        if user is None:
            raise AuthenticationFailed("Invalid token.")
        return user, {"exp": time.time() + float(seconds or 60)}


class UserConsumer(AsyncAPIConsumer):
    authentication_classes = [Bearer, BasicAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]

    @action()
    def whoami(self):
        return [str(self.scope["user"]), self.request.auth is not None], 200


class OpenConsumer(UserConsumer):
    """Any client may connect, but has to authenticate before it calls an action."""

    permission_classes = [permissions.IsAuthenticated]


@pytest.fixture
async def ada():
    return await sync_to_async(User.objects.create_user)("ada", password="secret")


def client(consumer=UserConsumer, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def call(socket, name, **frame):
    await socket.send_json({"action": name, "request_id": 7, **frame})
    answer = await socket.receive_json()
    data = answer["data"] if answer["data"] is not None else answer["errors"]
    return answer["response_status"], data


def basic_header(text):
    return ("authorization", f"Basic {base64.b64encode(text.encode()).decode()}")


@pytest.mark.parametrize(
    "options",
    [
        {"headers": [("authorization", "Bearer ada")]},
        {"subprotocols": ["authorization.Bearer.ada.60"]},
        {"subprotocols": ["chat", "authorization.Bearer.ada"]},
    ],
)
async def test_a_client_sends_a_token_in_a_header_or_in_a_subprotocol(ada, options) -> None:
    async with client(**options) as socket:
        assert await call(socket, "whoami") == (200, ["ada", True])


async def test_a_browser_receives_the_subprotocol_without_the_token(ada) -> None:
    token = "authorization.Bearer.ada"
    for offered, chosen in ([token], None), ([token, "chat"], "chat"):
        socket = client(subprotocols=offered)
        assert await socket.connect() == (True, chosen)
        await socket.disconnect()


async def test_basic_and_session_authentication_work(ada) -> None:
    async with client(headers=[basic_header("ada:secret")]) as socket:
        assert await call(socket, "whoami") == (200, ["ada", False])
    async with client(user=ada) as socket:
        assert await call(socket, "whoami") == (200, ["ada", False])


async def test_a_session_counts_only_if_an_authenticator_accepts_it(ada) -> None:
    class NoSessions(UserConsumer):
        authentication_classes = [Bearer]

    socket = client(NoSessions, user=ada)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": [("authorization", "Bearer nobody")]},
        {"headers": [basic_header("ada:wrong")]},
        {"subprotocols": ["authorization.Bearer.nobody"]},
        {"subprotocols": ["authorization."]},
        {"user": AnonymousUser()},
    ],
)
async def test_a_client_without_valid_credentials_is_refused_before_accepting(ada, options) -> None:
    socket = client(**options)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize(
    ("classes", "code"), [([Bearer], 4401), ([SessionAuthentication], 4403), ([], 4403)]
)
async def test_a_browser_that_is_refused_after_accepting_receives_the_reason(
    settings, classes, code
) -> None:
    settings.REST_CHANNELS = {"REFUSE_AFTER_ACCEPTING": True}
    consumer = type("Consumer", (UserConsumer,), {"authentication_classes": classes})
    socket = client(consumer)
    assert (await socket.connect())[0] is True
    answer = await socket.receive_json()
    assert (answer["response_status"], answer["action"]) == (code - 4000, None)
    await socket.expect_close(code)
    await socket.disconnect()


async def test_a_client_authenticates_with_a_frame(ada) -> None:
    async with client(OpenConsumer) as socket:
        assert await call(socket, "whoami") == (
            401,
            ["Authentication credentials were not provided."],
        )
        assert await call(socket, "authenticate", token="ada") == (200, {"user": ada.pk})
        assert await call(socket, "whoami") == (200, ["ada", True])
        second = await call(socket, "authenticate", token="ada.60", scheme="Bearer")
        assert second == (200, {"user": ada.pk})


@pytest.mark.parametrize("token", ["nobody", "", None, 7, ["ada"], "a b", "a\r\nb", "x" * 10_000])
async def test_an_invalid_token_gives_a_401_and_the_connection_stays_open(ada, token) -> None:
    async with client(OpenConsumer) as socket:
        assert (await call(socket, "authenticate", token=token))[0] == 401
        assert (await call(socket, "whoami"))[0] == 401


@pytest.mark.parametrize("frame", [{"token": "bogus"}, {"token": "bogus", "scheme": "Foo"}])
async def test_an_invalid_token_does_not_renew_the_login_by_other_credentials(ada, frame) -> None:
    class Both(OpenConsumer):
        authentication_classes = [Bearer, SessionAuthentication]

    async with client(Both, user=ada, headers=[("authorization", "Bearer ada.0.2")]) as socket:
        assert (await call(socket, "authenticate", **frame))[0] in (401, 403)
        notice = await socket.receive_json()
        assert notice["response_status"] == 401
        assert (await call(socket, "whoami"))[0] in (401, 403)


async def test_a_consumer_that_accepts_explicitly_accepts_the_subprotocol(ada) -> None:
    class Accepting(UserConsumer):
        async def connect(self):
            await self.accept()

    socket = client(Accepting, subprotocols=["authorization.Bearer.ada", "live"])
    assert await socket.connect() == (True, "live")
    await socket.disconnect()


async def test_a_connection_belongs_to_one_user_until_it_ends(ada) -> None:
    await sync_to_async(User.objects.create_user)("bob")
    async with client(OpenConsumer) as socket:
        assert (await call(socket, "authenticate", token="ada"))[0] == 200
        assert (await call(socket, "authenticate", token="ada"))[0] == 200
        status, [error] = await call(socket, "authenticate", token="bob")
        assert (status, "belongs to another user" in error) == (403, True)
        assert await call(socket, "whoami") == (200, ["ada", True])


async def test_another_user_cannot_take_over_after_a_token_has_expired(ada) -> None:
    await sync_to_async(User.objects.create_user)("bob")
    async with client(OpenConsumer) as socket:
        await call(socket, "authenticate", token="ada.0.05")
        await socket.receive_json()
        assert (await call(socket, "authenticate", token="bob"))[0] == 403
        assert (await call(socket, "whoami"))[0] == 401


async def test_a_detached_action_ends_when_the_token_expires(ada) -> None:
    ended = asyncio.Event()

    class Working(OpenConsumer):
        @action(detached=True)
        async def work(self):
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()

    async with client(Working) as socket:
        await call(socket, "authenticate", token="ada.0.2")
        await socket.send_json({"action": "work"})
        await asyncio.wait_for(ended.wait(), 2)


async def test_authenticating_is_throttled_like_other_actions(ada) -> None:
    class Three(UserRateThrottle):
        scope = "three"
        rate = "3/min"

    class Guarded(OpenConsumer):
        throttle_classes = [Three]

    cache.clear()
    async with client(Guarded) as socket:
        statuses = [(await call(socket, "authenticate", token=f"x{n}"))[0] for n in range(4)]
        assert statuses == [401, 401, 401, 429]


async def test_actions_are_throttled_by_the_classes_of_drf(ada) -> None:
    class Two(UserRateThrottle):
        scope = "two"
        rate = "2/min"

    class Guarded(UserConsumer):
        throttle_classes = [Two]

    cache.clear()
    async with client(Guarded, headers=[("authorization", "Bearer ada")]) as socket:
        assert [(await call(socket, "whoami"))[0] for _ in range(2)] == [200, 200]
        status, [error] = await call(socket, "whoami")
        assert (status, error["retry_after"] > 0) == (429, True)


async def test_a_refused_object_gives_a_401_if_authenticators_ask_for_credentials(ada) -> None:
    class IsSelf(BasePermission):
        def has_object_permission(self, request, view, obj):
            return obj == request.user

    class Users(RetrieveModelMixin, GenericAsyncAPIConsumer):
        authentication_classes = [Bearer]
        permission_classes = [IsSelf]
        queryset = User.objects.all()

    async with client(Users) as socket:
        assert (await call(socket, "retrieve", pk=ada.pk))[0] == 401


async def test_a_consumer_without_authenticators_has_no_action_authenticate() -> None:
    class Open(AsyncAPIConsumer):
        pass

    async with client(Open) as socket:
        not_allowed = (405, ['Method "authenticate" not allowed.'])
        assert await call(socket, "authenticate", token="ada") == not_allowed


async def test_a_setting_names_the_default_authenticators(ada, settings) -> None:
    settings.REST_CHANNELS = {"DEFAULT_AUTHENTICATION_CLASSES": [f"{__name__}.Bearer"]}

    class Default(UserConsumer):
        authentication_classes = None

    async with client(Default, headers=[("authorization", "Bearer ada")]) as socket:
        assert (await call(socket, "whoami"))[0] == 200


# Tokens that expire


async def test_a_client_that_sends_a_new_token_in_time_stays_connected(ada) -> None:
    async with client(OpenConsumer) as socket:
        await call(socket, "authenticate", token="ada.0.05")
        notice = await socket.receive_json()
        assert (notice["action"], notice["response_status"]) == ("authenticate", 401)
        assert (await call(socket, "whoami"))[0] == 401
        assert (await call(socket, "authenticate", token="ada"))[0] == 200
        assert (await call(socket, "whoami"))[0] == 200


async def test_a_client_that_sends_no_new_token_is_closed(ada, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": 0.05}
    async with client(OpenConsumer) as socket:
        await call(socket, "authenticate", token="ada.0.05")
        await socket.expect_close(4401)


async def test_a_client_is_closed_at_once_without_a_grace_period(ada, settings) -> None:
    settings.REST_CHANNELS = {"REAUTHENTICATE_WITHIN": None}
    async with client(headers=[("authorization", "Bearer ada.0.05")]) as socket:
        await socket.expect_close(4401)


def test_expiry_of_reads_the_attributes_of_common_token_types() -> None:
    expiry = timezone.now() + timedelta(hours=1)
    for name in ("expires", "expiry", "expires_at"):
        assert expiry_of(SimpleNamespace(**{name: expiry})) == expiry.timestamp()
    assert expiry_of({"exp": 7}) == 7.0
    for without_expiry in (None, {}, "token", SimpleNamespace(expires=None), {"exp": "soon"}):
        assert expiry_of(without_expiry) is None


class Person(SimpleNamespace):
    is_authenticated = True


class Customer(Person):
    pass


class Admin(Person):
    pass


class ByName(BaseAuthentication):
    """Tokens are `<kind>:<pk>`. The users are not models, and some have no pk."""

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
async def test_users_of_different_models_may_have_the_same_pk(other, status) -> None:
    class Consumer(OpenConsumer):
        authentication_classes = [ByName]

    async with client(Consumer) as socket:
        assert (await call(socket, "authenticate", token="customer:1"))[0] == 200
        assert (await call(socket, "authenticate", token=other))[0] == status


async def test_a_user_without_a_pk_cannot_be_replaced_by_another_user() -> None:
    class Consumer(OpenConsumer):
        authentication_classes = [ByName]

        @action()
        def name(self):
            return self.scope["user"].name, 200

    async with client(Consumer) as socket:
        assert await call(socket, "authenticate", token="a") == (200, {"user": None})
        assert (await call(socket, "authenticate", token="b"))[0] == 403
        assert await call(socket, "name") == (200, "Bearer a")


@pytest.mark.parametrize("detached", [True, False])
async def test_an_action_gives_a_401_if_the_token_expires_before_it_begins(ada, detached) -> None:
    class Slow(BaseThrottle):
        def allow_request(self, request, view):
            time.sleep(0.3 if view.action == "secret" else 0)
            return True

    class Consumer(OpenConsumer):
        throttle_classes = [Slow]

        @action(detached=detached)
        async def secret(self):
            return str(self.scope["user"]), 200

    async with client(Consumer) as socket:
        assert (await call(socket, "authenticate", token="ada.0.15"))[0] == 200
        request_id = await socket.call("secret")
        await socket.expect_reply(request_id, response_status=401, data=None)


async def test_an_invalid_token_is_rejected_even_if_the_query_string_has_a_valid_one(ada) -> None:
    class InQuery(BaseAuthentication):
        def authenticate(self, request):
            name = request.query_params.get("token")
            return (User.objects.get(username=name), name) if name else None

    class Consumer(UserConsumer):
        authentication_classes = [InQuery]

    async with client(Consumer, path="/?token=ada") as socket:
        assert (await call(socket, "authenticate", token="bogus"))[0] in (401, 403)
        assert await call(socket, "whoami") == (200, ["ada", True])
