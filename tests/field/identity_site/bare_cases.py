"""Run by `test_b_sites.py` with `settings_bare`, `settings_none` and `settings_guest`."""

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore
from django.urls import path
from rest_framework.permissions import IsAuthenticatedOrReadOnly
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, rest_channels
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.sessions import http_session
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

GIVEN = getattr(settings, "REST_FRAMEWORK", None)
NAME = "guest" if GIVEN and GIVEN["UNAUTHENTICATED_USER"] else None


class Show(SocketView):
    permission_classes = [IsAuthenticatedOrReadOnly]

    async def connect(self, request):
        self.send_json([getattr(request.user, "name", None), dict(request.session.items())])


class Writing(SocketView):
    permission_classes = [IsAuthenticatedOrReadOnly]

    async def receive(self, request):
        raise AssertionError


class Stored(SocketView):
    @rest_channels(http_session)
    def receive(self, request):
        request.http_session["seen"] = True
        self.send_json(dict(request.http_session.items()))


class Actions(AsyncAPIConsumer):
    @action()
    async def who(self):
        return [getattr(self.request.user, "name", None), self.scope["user"] is None], 200


application = SocketApplication(
    [
        path("show/", Show.as_asgi()),
        path("write/", Writing.as_asgi()),
        path("stored/", Stored.as_asgi()),
        path("actions/", Actions.as_asgi()),
    ]
)


@pytest.fixture
def cookie():
    session = SessionStore()
    session["cart"] = 1
    session.save()
    return ("cookie", f"sessionid={session.session_key}")


@pytest.mark.skipif(GIVEN is None, reason="DRF's default needs django.contrib.auth.")
def test_the_expected_user_is_that_of_drf():
    request = APIView().initialize_request(APIRequestFactory().get("/"))
    request.authenticators = []
    assert getattr(request.user, "name", None) == NAME


async def test_the_session_is_found_and_the_user_is_that_of_drf(cookie):
    async with SocketCommunicator(application, "/show/", headers=[cookie]) as socket:
        await socket.expect_event([NAME, {"cart": 1}])
        await check_accounts(current_hub())
        await sync_to_async(SessionStore(cookie[1].partition("=")[2]).delete)()
        await check_accounts(current_hub())
        await socket.expect_close(4440)


async def test_a_permission_of_drf_refuses_the_user_of_drf():
    async with SocketCommunicator(application, "/write/") as socket:
        await socket.send_json(None)
        await socket.expect_event(status=401)


async def test_the_session_decorators_work(cookie):
    async with SocketCommunicator(application, "/stored/", headers=[cookie]) as socket:
        await socket.send_json(None)
        await socket.expect_event({"cart": 1, "seen": True})


async def test_actions_see_the_user_of_drf():
    async with SocketCommunicator(application, "/actions/", dialect="action") as socket:
        await socket.send_json({"action": "who"})
        assert (await socket.receive_json())["data"] == [NAME, NAME is None]
