"""Tokens: the scheme of an `authenticate` frame, views behind `view_as_consumer`, subprotocols."""

import time

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser, User
from django.test import override_settings
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.decorators import action as view_action
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from rest_channels.consumers import AsyncAPIConsumer, view_as_consumer
from rest_channels.decorators import action
from rest_channels.multiplexer import Multiplexer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.django_db(transaction=True)


class Names(TokenAuthentication):
    """Tokens are `<scheme>-<name>`, so that each scheme takes only its own."""

    def authenticate_credentials(self, key):
        scheme, _dash, name = key.partition("-")
        user = User.objects.filter(username=name).first()
        if user is None or scheme != self.keyword:
            raise AuthenticationFailed("Invalid token.")
        return user, {"key": key, "exp": time.time() + 60}


class Jwt(BaseAuthentication):
    """Names its scheme as SimpleJWT and OAuth Toolkit do."""

    scheme = "JWT"

    def authenticate_header(self, request):
        return f'{self.scheme} realm="api"'

    def authenticate(self, request):
        scheme, _space, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != self.scheme:
            return None
        tokens = Names()
        tokens.keyword = self.scheme
        return tokens.authenticate_credentials(key)


class Knox(Jwt):
    scheme = "Knox"

    def authenticate_header(self, request):
        return self.scheme


class WhoAmI(APIView):
    authentication_classes = (Jwt,)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        kind = type(request.successful_authenticator).__name__
        return Response([request.user.username, request.auth["key"], kind])


@api_view(["GET"])
@authentication_classes([Jwt])
@permission_classes([IsAuthenticated])
def whoami(request):
    return WhoAmI.get(None, request)


@pytest.fixture(autouse=True)
async def ada():
    return await User.objects.acreate(username="ada")


async def call(socket, name, **frame):
    await socket.send_json({"action": name, "request_id": 1, **frame})
    reply = await socket.receive_json()
    return reply["response_status"], reply["data"] or reply["errors"]


@pytest.mark.parametrize(
    "classes",
    [[Jwt], [Knox], [Names], [Names, Jwt, Knox], [SessionAuthentication, BasicAuthentication, Jwt]],
)
async def test_a_token_in_a_frame_has_the_scheme_that_its_authenticator_names(classes) -> None:
    class Consumer(AsyncAPIConsumer):
        authentication_classes = classes

    last = classes[-1]
    token = f"{getattr(last, 'scheme', None) or last.keyword}-ada"
    async with SocketCommunicator(Consumer.as_asgi(), user=AnonymousUser()) as socket:
        assert (await call(socket, "authenticate", token=token))[0] == 200
        assert (await call(socket, "authenticate", token="other-ada"))[0] == 401


async def test_a_scheme_in_the_frame_is_the_only_one_that_counts() -> None:
    class Consumer(AsyncAPIConsumer):
        authentication_classes = (Names, Jwt)

    async with SocketCommunicator(Consumer.as_asgi(), user=AnonymousUser()) as socket:
        assert (await call(socket, "authenticate", token="JWT-ada", scheme="Token"))[0] == 401
        assert (await call(socket, "authenticate", token="JWT-ada", scheme="JWT"))[0] == 200


SETTINGS = [{}, {"DEFAULT_AUTHENTICATION_CLASSES": [Jwt]}]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("view", [WhoAmI, WhoAmI.as_view(), whoami])
async def test_a_view_accepts_the_token_of_a_subprotocol_as_that_of_a_header(
    view, settings
) -> None:
    with override_settings(REST_CHANNELS=settings):
        for options in (
            {"subprotocols": ["live", "authorization.JWT.JWT-ada"]},
            {"headers": [("authorization", "JWT JWT-ada")]},
        ):
            async with SocketCommunicator(view_as_consumer(view), **options) as socket:
                assert await call(socket, "list") == (200, ["ada", "JWT-ada", "Jwt"])


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("view", [WhoAmI, WhoAmI.as_view(), whoami])
async def test_a_view_accepts_the_token_of_a_frame(view, settings, ada) -> None:
    with override_settings(REST_CHANNELS=settings):
        async with SocketCommunicator(view_as_consumer(view), user=AnonymousUser()) as socket:
            assert (await call(socket, "list"))[0] == 401
            assert await call(socket, "authenticate", token="JWT-ada") == (200, {"user": ada.pk})
            assert await call(socket, "list") == (200, ["ada", "JWT-ada", "Jwt"])


async def test_an_expired_token_of_a_frame_no_longer_reaches_a_view(settle) -> None:
    class Short(Jwt):
        def authenticate(self, request):
            found = super().authenticate(request)
            return found and (found[0], found[1] | {"exp": time.time() + 0.05})

    class Secret(WhoAmI):
        authentication_classes = (Short,)

    async with SocketCommunicator(view_as_consumer(Secret), user=AnonymousUser()) as socket:
        await call(socket, "authenticate", token="JWT-ada")
        assert (await socket.receive_json())["response_status"] == 401  # asks for a new token
        assert (await call(socket, "list"))[0] == 401


async def test_a_viewsets_own_action_authenticate_is_not_hidden() -> None:
    class Login(ViewSet):
        @view_action(detail=False, methods=["post"])
        def authenticate(self, request):
            return Response("own")

    async with SocketCommunicator(view_as_consumer(Login)) as socket:
        assert await call(socket, "authenticate") == (200, "own")


async def test_get_authenticators_is_called_as_in_drf() -> None:
    class Consumer(AsyncAPIConsumer):
        def get_authenticators(self):
            return [Knox()] if User.objects.exists() else []

        @action()
        def whoami(self):
            request = self.request
            kinds = [type(each).__name__ for each in request.authenticators]
            return [str(request.user), type(request.successful_authenticator).__name__, kinds], 200

    headers = [("authorization", "Knox Knox-ada")]
    async with SocketCommunicator(Consumer.as_asgi(), headers=headers) as socket:
        assert await call(socket, "whoami") == (200, ["ada", "Knox", ["Knox"]])


TOKEN = "authorization.Knox.Knox-ada"


class Plain(AsyncAPIConsumer):
    authentication_classes = (Knox,)


class Echoing(Plain):
    async def connect(self):
        self.accept(subprotocol=self.scope["subprotocols"][0])


class EchoingView(SocketView):
    def connect(self, request):
        self.accept(request.scope["subprotocols"][0])


class Foreign(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept(self.scope["subprotocols"][0])


APPLICATIONS = [
    Plain.as_asgi(),
    Echoing.as_asgi(),
    EchoingView.as_asgi(),
    Multiplexer(a=Plain.as_asgi()),
    Multiplexer(a=Foreign.as_asgi()),
    view_as_consumer(WhoAmI),
]


@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("offered", [[TOKEN], [TOKEN, TOKEN + "2"], [TOKEN.title()]])
async def test_a_token_is_never_echoed_as_the_accepted_subprotocol(application, offered) -> None:
    if application is APPLICATIONS[-1]:
        offered = [each.replace("Knox", "JWT") for each in offered]
    socket = SocketCommunicator(application, subprotocols=offered)
    assert await socket.connect() == (True, None)
    await socket.disconnect()


@pytest.mark.parametrize("application", [APPLICATIONS[0], APPLICATIONS[3]])
async def test_a_second_subprotocol_is_accepted_for_browsers(application) -> None:
    socket = SocketCommunicator(application, subprotocols=[TOKEN, "rest-channels"])
    assert await socket.connect() == (True, "rest-channels")
    await socket.disconnect()
