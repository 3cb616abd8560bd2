"""Hooks are called with what they take: with DRF's signatures, DCRF's, `def` and `async def`."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.serializers import ModelSerializer
from rest_framework.throttling import BaseThrottle

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    ModelConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action
from rest_channels.django_views import DjangoViewAsConsumer
from rest_channels.observer.generics import ObserverModelInstanceMixin
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.django_db(transaction=True)


class Names(ModelSerializer):
    class Meta:
        model = User
        fields = ("username",)


class Open(AsyncAPIConsumer):
    @action()
    def secret(self):
        return "secret", 200

    @action()
    def public(self):
        return "public", 200


def members_only(consumer):
    return [AllowAny() if consumer.action in (None, "public") else IsAuthenticated()]


class AsDrf(Open):
    def get_permissions(self):
        return members_only(self)


class AsDrfWithSuper(Open):
    permission_classes = (AllowAny,)

    def get_permissions(self):
        return [*super().get_permissions(), *members_only(self)]


class AsDcrf(Open):
    async def get_permissions(self, action, **kwargs):
        return [*await super().get_permissions(action=action, **kwargs), *members_only(self)]


class WithAction(Open):
    def get_permissions(self, action):
        return [AllowAny() if action in ("connect", "public") else IsAuthenticated()]


class Querying(Open):
    def get_permissions(self):
        return members_only(self) if User.objects.exists() else []


class Checking(Open):
    permission_classes = (IsAuthenticated,)

    def get_permissions(self):
        return [] if self.action in (None, "public") else super().get_permissions()

    def check_permissions(self, request):
        assert request is self.request
        super().check_permissions(request)


class CheckingAction(AsDrf):
    async def check_permissions(self, action, **kwargs):
        assert action in ("public", "secret")
        await super().check_permissions(action, **kwargs)


async def status_of(application, user=None, **frame):
    async with SocketCommunicator(application, user=user or AnonymousUser()) as socket:
        await socket.send_json({"request_id": 1, **frame})
        return (await socket.receive_json())["response_status"]


@pytest.fixture(autouse=True)
async def ada():
    return await User.objects.acreate(username="ada")


CONSUMERS = [
    AsDrf,
    AsDrfWithSuper,
    AsDcrf,
    WithAction,
    Querying,
    Checking,
    CheckingAction,
]


@pytest.mark.parametrize("consumer", CONSUMERS)
async def test_permission_hooks_of_any_signature_guard_actions(consumer, ada) -> None:
    application = consumer.as_asgi()
    assert await status_of(application, action="public") == 200
    assert await status_of(application, action="secret") == 403
    assert await status_of(application, ada, action="secret") == 200


async def test_permissions_without_arguments_guard_objects_and_observed_rows(ada) -> None:
    class Own(IsAuthenticated):
        def has_object_permission(self, request, view, obj):
            return obj == request.user

    class Users(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = User.objects.all()
        serializer_class = Names
        check_deliveries = True

        def get_permissions(self):
            return [Own()]

    eve = await User.objects.acreate(username="eve")
    for user, status in (ada, 200), (eve, 403):
        frame = {"action": "retrieve", "pk": ada.pk}
        assert await status_of(Users.as_asgi(), user, **frame) == status
    async with SocketCommunicator(Users.as_asgi(), user=ada) as socket:
        await socket.send_json({"action": "subscribe_instance", "request_id": 1, "pk": ada.pk})
        assert (await socket.receive_json())["response_status"] == 201
        await ada.asave()
        assert (await socket.receive_json())["response_status"] == 200


class Closed(BaseThrottle):
    def allow_request(self, request, view):
        return False


def throttles():
    return [Closed()] if User.objects.exists() else []


class ThrottledConsumer(Open):
    def get_throttles(self):
        return [*super().get_throttles(), *throttles()]


class AsyncThrottled(Open):
    async def get_throttles(self):
        return [Closed()]


@pytest.mark.parametrize("consumer", [ThrottledConsumer, AsyncThrottled])
async def test_throttle_hooks_may_query_and_may_be_async(consumer) -> None:
    assert await status_of(consumer.as_asgi(), action="public") == 429


async def test_the_throttles_of_a_wrapped_view_may_query() -> None:
    def page(request):
        return HttpResponse("ok")

    class Wrapped(DjangoViewAsConsumer):
        view = staticmethod(page)

        def get_throttles(self):
            return throttles()

    assert await status_of(Wrapped.as_asgi(), action="list") == 429
    assert await status_of(view_as_consumer(page), action="list") == 200


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_the_hooks_of_a_view_may_query_and_may_be_async(kind, ada) -> None:
    class View(SocketView):
        def get_permissions(self):
            return [IsAuthenticated()] if User.objects.exists() else []

        def get_throttles(self):
            return throttles() if self.event == "receive" else []

        async def receive(self, request):
            self.send_json("received")

    class AsyncView(View):
        async def get_permissions(self):
            return [IsAuthenticated()]

        async def get_throttles(self):
            return [Closed()] if self.event == "receive" else []

    application = (View if kind == "def" else AsyncView).as_asgi()
    refused = SocketCommunicator(application, user=AnonymousUser())
    await refused.connect()
    assert (await refused.receive_json())["status"] == 401
    await refused.disconnect()
    async with SocketCommunicator(application, user=ada) as socket:
        await socket.send_json({})
        assert (await socket.receive_json())["status"] == 429


async def test_model_hooks_without_keyword_arguments_are_called_as_in_drf(ada) -> None:
    class Users(ModelConsumer):
        def get_queryset(self):
            return User.objects.order_by("pk")

        def get_serializer_class(self):
            return Names

        def filter_queryset(self, queryset):
            return queryset.filter(username__startswith="a")

        def perform_create(self, serializer):
            serializer.save(first_name="Eve")

    created = {"username": "adam"}
    assert await status_of(Users.as_asgi(), action="list") == 200
    assert await status_of(Users.as_asgi(), action="create", data=created) == 201
    assert await status_of(Users.as_asgi(), action="retrieve", pk=ada.pk) == 200


async def test_an_exception_handler_with_the_signature_of_drf_is_called() -> None:
    class Own(Open):
        @action()
        def fail(self):
            raise ValueError

        @action(detached=True)
        async def fail_later(self):
            raise ValueError

        def handle_exception(self, exc):
            self.reply("failed", errors=[type(exc).__name__], status=418)

    assert await status_of(Own.as_asgi(), action="fail") == 418
    assert await status_of(Own.as_asgi(), action="fail_later") == 418
