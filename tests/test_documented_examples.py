"""The code samples of the documents, corrected by their errata."""

from types import SimpleNamespace

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.urls import path
from django.utils.decorators import method_decorator
from rest_framework import serializers, status

from rest_channels.decorators import rest_channels
from rest_channels.groups import Group
from rest_channels.routing import ChannelRouter, SocketApplication, include, route
from rest_channels.sessions import channel_session
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView, WebSocketView
from tests.servers.lesson import ChatConsumer, websocket_urlpatterns

# The rest_channels README on class-based views.


class Versions(list):
    def last(self):
        return self[-1]


composition = SimpleNamespace(
    owner=User(pk=5, username="ada"),
    versions=Versions([{"tracks": ["old"]}, {"tracks": ["drums", "bass"]}]),
)


class CompositionVersionSerializer(serializers.Serializer):
    tracks = serializers.ListField()


class SocketResponseSerializer(serializers.Serializer):
    status = serializers.IntegerField(min_value=100, max_value=600)
    method = serializers.CharField()
    user = serializers.IntegerField()


class SocketCompositionVersionSerializer(SocketResponseSerializer):
    data = CompositionVersionSerializer()


class CompositionSocketView(SocketView):
    COMPOSITION_GROUP_TEMPLATE = "Composition-%s"

    # wrap django-channels decorators to `rest_channels` decorator
    @rest_channels(channel_session)
    def receive(self, request, *args, **kwargs):
        # Get composition id from path
        composition_id = kwargs.get("composition_id")
        # Get data from request as usual.
        method = request.data.get("method")
        # This `data` from incoming json.
        data = request.data.get("data")
        # Do something useful
        user = self.check_composition_perms(data, composition_id)
        # Pass user.id to channel_session
        request.channel_session["user"] = user.id
        # Add user to group
        Group(self.COMPOSITION_GROUP_TEMPLATE % composition_id).add(request.reply_channel)
        self.send(
            request.reply_channel,
            SocketCompositionVersionSerializer(
                {
                    "method": method,
                    "user": user.id,
                    "data": composition.versions.last(),
                    "status": status.HTTP_200_OK,
                }
            ).data,
        )

    def check_composition_perms(self, data, composition_id):
        if (data, composition_id) != ("secret", "7"):
            raise PermissionDenied
        return composition.owner


routing = [
    route(
        "websocket.receive",
        CompositionSocketView.as_view(),
        path=r"/(?P<composition_id>\d+)/$",
    ),
]

SIGN_IN = {"method": "sign_in", "data": "secret"}
SIGNED_IN = {
    "status": 200,
    "method": "sign_in",
    "user": 5,
    "data": {"tracks": ["drums", "bass"]},
}


@pytest.mark.parametrize(
    "application",
    [
        SocketApplication(routing),
        SocketApplication("tests.test_documented_examples.routing"),
        SocketApplication([path("other/", CompositionSocketView.as_asgi()), *routing]),
        SocketApplication([include(routing)]),
        ChannelRouter(routing),
        ChannelRouter("tests.test_documented_examples.routing"),
    ],
    ids=["list", "dotted", "mixed", "included", "router", "dotted router"],
)
async def test_sign_in_answers_with_the_last_version_in_the_response_serializer(
    application,
) -> None:
    async with SocketCommunicator(application, "/7/") as socket:
        await socket.send_json(SIGN_IN)
        await socket.expect_event(SIGNED_IN)


async def test_only_a_client_that_signed_in_receives_messages_of_the_group() -> None:
    app = SocketApplication(routing)
    async with SocketCommunicator(app, "/7/") as ada, SocketCommunicator(app, "/7/") as eve:
        await ada.send_json(SIGN_IN)
        await ada.expect_event(SIGNED_IN)
        await Group("Composition-7").asend({"text": '"new version"'})
        await ada.expect_event("new version")
        await eve.expect_nothing()


async def test_signing_in_twice_changes_nothing() -> None:
    async with SocketCommunicator(SocketApplication(routing), "/7/") as ada:
        for _ in range(2):
            await ada.send_json(SIGN_IN)
            await ada.expect_event(SIGNED_IN)
        await Group("Composition-7").asend({"text": "1"})
        await ada.expect_event(1)
        await ada.expect_nothing()


@pytest.mark.parametrize(("where", "data"), [("/7/", "wrong"), ("/8/", "secret")])
async def test_a_client_that_may_not_sign_in_receives_an_error_and_stays_connected(
    where, data
) -> None:
    async with SocketCommunicator(SocketApplication(routing), where) as eve:
        await eve.send_json({"method": "sign_in", "data": data})
        event = await eve.expect_event(status=403)
        assert event.keys() == {"detail", "status"}
        await eve.expect_nothing()


@pytest.mark.parametrize("where", ["/7", "/x/", "/shop/7/", "/"])
async def test_patterns_match_from_the_start_of_the_path(where) -> None:
    socket = SocketCommunicator(SocketApplication(routing), where)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize("apply", [rest_channels, method_decorator])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_channel_session_keeps_its_data_for_the_next_event(apply, kind) -> None:
    class Sync(SocketView):
        @apply(channel_session)
        def receive(self, request, *args, **kwargs):
            count = request.channel_session["count"] = request.channel_session.get("count", 0) + 1
            self.send(request.reply_channel, count)

    class Async(SocketView):
        @apply(channel_session)
        async def receive(self, request, *args, **kwargs):
            count = request.channel_session["count"] = request.channel_session.get("count", 0) + 1
            self.send(request.reply_channel, count)

    view = Sync if kind == "def" else Async
    app = SocketApplication([route("websocket.receive", view.as_view(), path=r"^/$")])
    async with SocketCommunicator(app) as first, SocketCommunicator(app) as second:
        for count in (1, 2):
            await first.send_json(None)
            await first.expect_event(count)
        await second.send_json(None)
        await second.expect_event(1)


async def test_send_sends_text_or_binary_to_a_channel_or_a_group_and_may_close() -> None:
    class Sender(SocketView):
        def receive(self, request):
            Group("all").add(request.reply_channel)
            self.send(request.reply_channel, {"to": "me"})
            self.send(request.reply_channel, b"me", content_type="binary")
            self.send(Group("all"), b"us", "bytes")
            self.send(Group("all"), {"to": "us"}, "text", close=True)

    async with SocketCommunicator(Sender.as_asgi()) as socket:
        await socket.send_json(None)
        frames = [await socket.receive_from() for _ in range(4)]
        assert frames == ['{"to":"me"}', b"me", b"us", '{"to":"us"}']
        await socket.expect_close(1000)


def test_web_socket_view_is_another_name_of_socket_view() -> None:
    assert WebSocketView is SocketView


# The lesson on plain Channels consumers. Real servers run it in tests/servers/test_plain_lesson.py.


@pytest.mark.parametrize(
    "application",
    [
        SocketApplication(websocket_urlpatterns),
        ProtocolTypeRouter({"websocket": AuthMiddlewareStack(URLRouter(websocket_urlpatterns))}),
    ],
    ids=["SocketApplication", "as printed"],
)
@pytest.mark.django_db(transaction=True)
async def test_the_chat_of_the_lesson_answers(application) -> None:
    async with SocketCommunicator(application, "/ws/chat/lobby/") as socket:
        await socket.send_json({"message": "hello"})
        await socket.expect_event({"message": "hello"})


async def test_the_chat_of_the_lesson_keeps_the_attributes_of_as_asgi() -> None:
    assert websocket_urlpatterns[0].callback.consumer_class is ChatConsumer
