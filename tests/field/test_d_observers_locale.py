"""Observers render in the language and time zone that a middleware made active."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation
from rest_framework import serializers

from rest_channels.api_consumer import AsyncAPIConsumer
from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment

pytestmark = pytest.mark.django_db(transaction=True)


class CommentSerializer(serializers.ModelSerializer):
    language = serializers.SerializerMethodField()
    hour = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields = ["text", "language", "hour"]

    def get_language(self, row):
        return translation.get_language()

    def get_hour(self, row):
        return timezone.localtime(datetime(2026, 1, 1, tzinfo=UTC)).hour


class PersonalSerializer(CommentSerializer):
    def get_language(self, row):
        assert self.context["view"] is not None
        return translation.get_language()


def in_locale(application, language, zone):
    """A middleware that makes the locale of the user active, whatever the headers say."""

    async def middleware(scope, receive, send):
        translation.activate(language)
        timezone.activate(zone)
        await application(scope, receive, send)

    return middleware


def make_consumer(serializer):
    class Comments(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
        queryset = Comment.objects.all()
        serializer_class = serializer
        every = model_observer(Comment, serializer_class=serializer)

        @action()
        async def follow(self, request_id, **kwargs):
            await self.every.subscribe(request_id=request_id)
            return None, 201

    return Comments


HEADERS = [("accept-language", "es")]
LOCALES = [("de", "Asia/Tokyo", 9), ("fr", "UTC", 0), ("pt", fixed(timedelta(hours=5)), 5)]


@pytest.mark.parametrize("serializer", [CommentSerializer, PersonalSerializer])
@pytest.mark.parametrize("name", ["follow", "subscribe_instance"])
async def test_subscribers_receive_a_row_in_the_locale_that_their_middleware_made_active(
    serializer, name
) -> None:
    user = await User.objects.acreate(username="ada")
    comment = await Comment.objects.acreate(text="a")
    consumer, options = make_consumer(serializer), {"user": user, "dialect": "action"}
    async with AsyncExitStack() as stack:
        sockets = []
        for language, zone, _hour in LOCALES:
            application = in_locale(consumer.as_asgi(), language, zone)
            client = SocketCommunicator(application, headers=HEADERS, **options)
            sockets.append(socket := await stack.enter_async_context(client))
            call = await socket.call(name, pk=comment.pk)
            await socket.expect_reply(call, response_status=201)
        await comment.asave()
        for socket, (language, _zone, hour) in zip(sockets, LOCALES, strict=True):
            frame = await socket.receive_json()
            assert frame["data"] == {"text": "a", "language": language, "hour": hour}


async def test_a_locale_of_a_middleware_comes_before_the_one_of_the_session_and_headers() -> None:
    class Echo(AsyncAPIConsumer):
        @action()
        def locale(self):
            return [translation.get_language(), timezone.get_current_timezone_name()], 200

    application = in_locale(Echo.as_asgi(), "de", "Asia/Tokyo")
    headers = [("accept-language", "fr")]
    client = SocketCommunicator(application, headers=headers, dialect="action")
    client.scope["time_zone"] = "UTC"
    async with client as socket:
        call = await socket.call("locale")
        await socket.expect_reply(call, data=["de", "Asia/Tokyo"])
