"""Guards that are written in one of the ways in which Django and DRF allow it."""

from unittest.mock import AsyncMock, patch

import pytest
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser, User
from django.utils.decorators import method_decorator
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.throttling import BaseThrottle

from rest_channels.actions import authorization
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.routing import ChannelRouter, route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.django_db(transaction=True)


class Never(BasePermission):
    def has_permission(self, request, view):
        return False


class Exhausted(BaseThrottle):
    def allow_request(self, request, view):
        return False


class Secret(SocketView):
    def receive(self, request):
        self.send_json("the secret")


class Permissions(Secret):
    permission_classes = (Never,)

    def check_permissions(self):
        super().check_permissions()


class PermissionsOfRequest(Secret):
    permission_classes = (Never,)

    def check_permissions(self, request):
        assert request is self.request
        User.objects.exists()
        super().check_permissions(request)


class AsyncPermissions(Secret):
    permission_classes = (Never,)

    async def check_permissions(self):
        await super().check_permissions()


class OwnPermissions(Secret):
    async def get_permissions(self):
        return [Never()]

    def check_permissions(self):
        super().check_permissions()


class Throttles(Secret):
    throttle_classes = (Exhausted,)

    def check_throttles(self):
        super().check_throttles()


class AsyncThrottles(Secret):
    throttle_classes = (Exhausted,)

    async def check_throttles(self):
        await super().check_throttles()


def guarded(cls):
    cls.get_permissions = lambda self, **kwargs: [Never()]
    return cls


@guarded
class Decorated(Secret):
    pass


class InInit(Secret):
    def __init__(self, **initkwargs):
        super().__init__(**initkwargs)
        self.get_permissions = lambda: [Never()]


VIEWS = [
    Permissions,
    PermissionsOfRequest,
    AsyncPermissions,
    OwnPermissions,
    Throttles,
    AsyncThrottles,
    Decorated,
    InInit,
]


async def status_of_connect(application):
    socket = SocketCommunicator(application, user=AnonymousUser())
    assert (await socket.connect())[0]
    status = (await socket.receive_json())["status"]
    await socket.disconnect()
    return status


@pytest.mark.parametrize("view", VIEWS)
async def test_a_guard_of_a_view_refuses_however_it_is_written(view) -> None:
    refused = 429 if "Throttles" in view.__name__ else 401
    assert await status_of_connect(view.as_asgi()) == refused


@pytest.mark.parametrize("view", [AsyncPermissions, AsyncThrottles])
async def test_an_async_guard_may_await_super_where_nothing_refuses(view) -> None:
    application = view.as_asgi(permission_classes=[], throttle_classes=[])
    async with SocketCommunicator(application) as socket:
        await socket.send_json(None)
        await socket.expect_event("the secret")


async def test_a_guard_that_a_test_replaces_refuses_while_it_is_replaced() -> None:
    application = Secret.as_asgi()
    with patch.object(Secret, "check_permissions", side_effect=PermissionDenied):
        assert await status_of_connect(application) == 403
    async with SocketCommunicator(application) as socket:
        await socket.send_json(None)
        await socket.expect_event("the secret")


class Open(AsyncAPIConsumer):
    @action()
    def secret(self):
        return "the secret", 200


def only_connect(self, action=None, **kwargs):
    return [] if action == "connect" else [Never()]


class InInitOfConsumer(Open):
    def __init__(self, **initkwargs):
        super().__init__(**initkwargs)
        self.get_permissions = only_connect.__get__(self)


class DecoratedConsumer(Open):
    pass


DecoratedConsumer.get_permissions = only_connect


@pytest.mark.parametrize("consumer", [InInitOfConsumer, DecoratedConsumer])
async def test_a_guard_that_replaces_that_of_a_consumer_later_refuses_frames(consumer) -> None:
    async with SocketCommunicator(consumer.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("secret"), response_status=403)


class NeverInInit(Open):
    def __init__(self, **initkwargs):
        super().__init__(**initkwargs)
        self.get_permissions = lambda action, **kwargs: [Never()]


class MockInInit(Open):
    def __init__(self, **initkwargs):
        super().__init__(**initkwargs)
        self.get_permissions = AsyncMock(return_value=[Never()])


@pytest.mark.parametrize("consumer", [NeverInInit, MockInInit])
async def test_a_guard_that_an_init_replaces_refuses_the_handshake(consumer) -> None:
    assert not (await SocketCommunicator(consumer.as_asgi()).connect())[0]


async def test_a_guard_of_a_consumer_that_a_test_replaces_refuses_while_it_is_replaced() -> None:
    application = Open.as_asgi()
    with patch.object(Open, "get_authenticators", side_effect=AuthenticationFailed):
        assert not (await SocketCommunicator(application).connect())[0]
    async with SocketCommunicator(application):
        """It is accepted."""


async def test_permissions_that_only_look_at_the_request_take_no_thread(monkeypatch) -> None:
    class Members(Open):
        permission_classes = [IsAuthenticated & ~IsAdminUser]

    monkeypatch.setattr(authorization, "in_handshake_thread", None)
    async with SocketCommunicator(Members.as_asgi(), user=User(pk=1)):
        """It is accepted."""
    assert not (await SocketCommunicator(Members.as_asgi(), user=AnonymousUser()).connect())[0]


class LoginRequired(Secret):
    @method_decorator(login_required)
    def connect(self, request):
        """Accept."""


@login_required
def connect(message):
    """Accept."""


def routes(consumer):
    return ChannelRouter([route("websocket.connect", consumer, path="^/")])


@pytest.mark.parametrize(
    "application",
    [LoginRequired.as_asgi(), routes(connect), routes(login_required(Secret.as_view()))],
)
async def test_a_handshake_that_login_required_refuses_is_not_accepted_in_silence(
    application, caplog
) -> None:
    assert await status_of_connect(application) == 500
    assert "write permission_classes" in caplog.text


class NotOfThisLibrary(BasePermission):
    async def can_connect(self, scope, consumer, message=None):
        return False


async def test_can_connect_of_a_permission_of_drf_is_not_ignored(caplog) -> None:
    application = Open.as_asgi(permission_classes=[NotOfThisLibrary], refuse_after_accepting=True)
    socket = SocketCommunicator(application, dialect="action")
    await socket.connect()
    assert (await socket.receive_json())["response_status"] == 500
    await socket.disconnect()
    assert "NotOfThisLibrary.can_connect is never called" in caplog.text


def test_a_view_refuses_a_permission_with_can_connect() -> None:
    with pytest.raises(TypeError, match="which is for consumers"):
        Secret.as_asgi(permission_classes=[NotOfThisLibrary])


@pytest.mark.parametrize("permission", [NotOfThisLibrary, IsAuthenticated | NotOfThisLibrary])
async def test_a_view_refuses_a_default_permission_with_can_connect(
    permission, settings, caplog
) -> None:
    class Unguarded(SocketView):
        def connect(self, request):
            pass

    settings.REST_CHANNELS = {"DEFAULT_PERMISSION_CLASSES": [permission]}
    assert await status_of_connect(Unguarded.as_asgi()) == 500
    assert "Unguarded is guarded by" in caplog.text


def test_setup_of_a_django_view_is_not_ignored() -> None:
    def setup(self, request, *args, **kwargs):
        raise PermissionDenied

    with pytest.raises(TypeError, match="setup has no effect: only views of Django have it"):
        type("SetUp", (SocketView,), {"setup": setup})


def test_a_helper_named_setup_is_allowed() -> None:
    assert type("SetUp", (SocketView,), {"setup": lambda self, document: None})


class StaffOnly(Secret):
    refused_event = "receive"

    def dispatch(self, request, *args, **kwargs):
        if request.event == self.refused_event and not request.user.is_staff:
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)


class AsyncStaffOnly(StaffOnly):
    async def dispatch(self, request, *args, **kwargs):
        await super().dispatch(request, *args, **kwargs)


class Ends(StaffOnly):
    def __init__(self, **initkwargs):
        raise SystemExit


@pytest.mark.parametrize("view", [StaffOnly, AsyncStaffOnly])
@pytest.mark.parametrize("routed", [False, True])
async def test_what_dispatch_of_a_view_raises_is_answered(view, routed) -> None:
    every = ["websocket.connect", "websocket.receive", "websocket.disconnect"]
    route_list = ChannelRouter([route(every, view.as_view(), path="^/")])
    application = route_list if routed else view.as_asgi()
    async with SocketCommunicator(application, user=AnonymousUser()) as socket:
        for _ in range(2):
            await socket.send_json(None)
            assert (await socket.receive_json())["status"] == 403


@pytest.mark.parametrize(("view", "status"), [(StaffOnly, 403), (AsyncStaffOnly, 403), (Ends, 500)])
async def test_a_handshake_that_dispatch_of_a_view_refuses_is_answered(view, status) -> None:
    assert await status_of_connect(view.as_asgi(refused_event="connect")) == status


class Forgets(Secret):
    def dispatch(self, request, *args, **kwargs):
        super().dispatch(request, *args, **kwargs).close()


@method_decorator(login_required, name="dispatch")
class LoginRequiredForAll(Secret):
    pass


@pytest.mark.parametrize(
    ("view", "advice"),
    [(Forgets, "return super().dispatch("), (LoginRequiredForAll, "write permission_classes")],
)
async def test_a_dispatch_without_a_result_is_refused_with_advice(view, advice, caplog) -> None:
    assert await status_of_connect(view.as_asgi()) == 500
    assert advice in caplog.text
