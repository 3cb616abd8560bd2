"""What the documents of djangochannelsrestframework say of observers, as a user would write it.

Frames are compared whole. Where its examples cannot run as printed they are mended.
"""

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.testing import SocketCommunicator

from .models import Comment

pytestmark = pytest.mark.django_db(transaction=True)


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email"]


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text", "user"]


def reply(action, data=None, status=200, errors=(), request_id=15606042):
    return {
        "errors": list(errors),
        "data": data,
        "action": action,
        "response_status": status,
        "request_id": request_id,
    }


def client(consumer, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def answer(socket, action, request_id=15606042, **frame):
    await socket.send_json({"action": action, "request_id": request_id, **frame})
    return await socket.receive_json()


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("test 1", "1@example.com")


# 1.3.2.3: observer model instance. Seed 004 has the same consumer.


class Users(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer


async def test_retrieve(ada) -> None:
    row = {"id": ada.pk, "username": "test 1", "email": "1@example.com"}
    async with client(Users) as socket:
        assert await answer(socket, "retrieve", pk=ada.pk) == reply("retrieve", row)


async def test_a_subscribed_instance_is_told(ada) -> None:
    async with client(Users) as socket:
        subscribed = await answer(socket, "subscribe_instance", pk=ada.pk)
        assert subscribed == reply("subscribe_instance", status=201)
        ada.username = "edited user name"
        await ada.asave()
        row = {"id": ada.pk, "username": "edited user name", "email": "1@example.com"}
        assert await socket.receive_json() == reply("update", row)


async def test_a_deleted_instance_is_told(ada) -> None:
    async with client(Users) as socket:
        await answer(socket, "subscribe_instance", pk=ada.pk)
        pk = ada.pk
        await ada.adelete()
        assert await socket.receive_json() == reply("delete", {"pk": pk}, 204)


async def test_nothing_is_told_after_unsubscribe(ada) -> None:
    async with client(Users) as socket:
        await answer(socket, "subscribe_instance", pk=ada.pk)
        left = await answer(socket, "unsubscribe_instance", pk=ada.pk)
        assert left == reply("unsubscribe_instance", status=204)
        await ada.asave()
        await socket.expect_nothing()


# 1.3.2.5: model observer.


class AllComments(GenericAsyncAPIConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer

    @model_observer(Comment)
    async def comment_activity(self, message, observer=None, **kwargs):
        await self.send_json(message)

    @comment_activity.serializer
    def comment_activity(self, instance: Comment, action, **kwargs):
        return CommentSerializer(instance).data

    @action()
    async def subscribe_to_comment_activity(self, **kwargs):
        await self.comment_activity.subscribe()
        return None, 201


async def test_all_comments_are_told(ada) -> None:
    async with client(AllComments) as socket:
        await answer(socket, "subscribe_to_comment_activity")
        made = await Comment.objects.acreate(text="user 1 creates a new comment", user=ada)
        told = {"id": made.pk, "text": "user 1 creates a new comment", "user": ada.pk}
        assert await socket.receive_json() == told


class RepliedComments(GenericAsyncAPIConsumer):
    """The same, with the frames that the documents' console shows."""

    comments = model_observer(Comment, serializer_class=CommentSerializer)

    @action()
    async def subscribe_to_comment_activity(self, request_id, **kwargs):
        await self.comments.subscribe(request_id=request_id)


async def test_a_subscribing_request_is_replied_to(ada) -> None:
    async with client(RepliedComments) as socket:
        await socket.send_json({"action": "subscribe_to_comment_activity", "request_id": 1})
        await socket.send_json({"action": "", "request_id": 2})
        await socket.receive_json()
        made = await Comment.objects.acreate(text="new", user=ada)
        row = {"id": made.pk, "text": "new", "user": ada.pk}
        assert await socket.receive_json() == reply("create", row, 201, request_id=1)


# 1.3.2.6: filtered model observer.


class OwnComments(GenericAsyncAPIConsumer):
    @model_observer(Comment)
    async def comment_activity(self, message, observer=None, **kwargs):
        await self.send_json(message)

    @comment_activity.serializer
    def comment_activity(self, instance: Comment, action, **kwargs):
        return CommentSerializer(instance)

    @comment_activity.groups_for_signal
    def comment_activity(self, instance: Comment, **kwargs):
        yield f"-user_{instance.user_id}"

    @comment_activity.groups_for_consumer
    def comment_activity(self, user=None, **kwargs):
        yield f"-user_{self.scope['user'].pk if user is None else user.pk}"

    @action()
    async def subscribe_to_comment_activity(self, **kwargs):
        if "user" in self.scope and self.scope["user"].is_authenticated:
            await self.comment_activity.subscribe()
        return None, 201

    @action()
    async def subscribe_to_comments_of(self, user_pk, **kwargs):
        user = await database_sync_to_async(User.objects.get)(pk=user_pk)
        await self.comment_activity.subscribe(user=user)
        return None, 201


@pytest.mark.parametrize("by_pk", [False, True])
async def test_only_the_comments_of_one_user_are_told(ada, by_pk) -> None:
    bob = await User.objects.acreate_user("test 2")
    async with client(OwnComments, user=None if by_pk else ada) as socket:
        if by_pk:
            await answer(socket, "subscribe_to_comments_of", user_pk=ada.pk)
        else:
            await answer(socket, "subscribe_to_comment_activity")
        await Comment.objects.acreate(text="user 2 creates a second comment", user=bob)
        made = await Comment.objects.acreate(text="mine", user=ada)
        assert await socket.receive_json() == {"id": made.pk, "text": "mine", "user": ada.pk}
        await socket.expect_nothing()
