"""The examples of the documentation of djangochannelsrestframework about observers.

Frames are compared whole. Examples that cannot run as printed are corrected.
"""

import json
from functools import partial

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.testing import SocketCommunicator
from tests import replies

from .models import Comment, Message, Room

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST_ID = 15606042

reply = partial(replies.reply, request_id=REQUEST_ID)


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email"]


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text", "user"]


def client(consumer, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def answer(socket, action, request_id=REQUEST_ID, **frame):
    await socket.send_json({"action": action, "request_id": request_id, **frame})
    return await socket.receive_json()


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("test 1", "1@example.com")


# 1.3.2.3: observer model instance. The README has the same consumer.


class Users(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer


async def test_retrieve_answers_with_the_row(ada) -> None:
    row = {"id": ada.pk, "username": "test 1", "email": "1@example.com"}
    async with client(Users) as socket:
        assert await answer(socket, "retrieve", pk=ada.pk) == reply("retrieve", row)


async def test_a_subscriber_of_an_instance_receives_an_update_frame(ada) -> None:
    async with client(Users) as socket:
        subscribed = await answer(socket, "subscribe_instance", pk=ada.pk)
        assert subscribed == reply("subscribe_instance", status=201)
        ada.username = "edited user name"
        await ada.asave()
        row = {"id": ada.pk, "username": "edited user name", "email": "1@example.com"}
        assert await socket.receive_json() == reply("update", row)


async def test_a_subscriber_of_an_instance_receives_a_delete_frame(ada) -> None:
    async with client(Users) as socket:
        await answer(socket, "subscribe_instance", pk=ada.pk)
        pk = ada.pk
        await ada.adelete()
        assert await socket.receive_json() == reply("delete", {"pk": pk}, 204)


async def test_a_client_receives_nothing_after_it_unsubscribed(ada) -> None:
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


async def test_a_subscriber_of_all_comments_receives_a_new_comment(ada) -> None:
    async with client(AllComments) as socket:
        await answer(socket, "subscribe_to_comment_activity")
        created = await Comment.objects.acreate(text="user 1 creates a new comment", user=ada)
        expected = {"id": created.pk, "text": "user 1 creates a new comment", "user": ada.pk}
        assert await socket.receive_json() == expected


class RepliedComments(GenericAsyncAPIConsumer):
    """The same, with the frames that the console in the documentation shows."""

    comments = model_observer(Comment, serializer_class=CommentSerializer)

    @action()
    async def subscribe_to_comment_activity(self, request_id, **kwargs):
        await self.comments.subscribe(request_id=request_id)


async def test_a_subscribing_request_receives_create_frames_with_its_id(ada) -> None:
    async with client(RepliedComments) as socket:
        await socket.send_json({"action": "subscribe_to_comment_activity", "request_id": 1})
        await socket.send_json({"action": "", "request_id": 2})
        await socket.receive_json()
        created = await Comment.objects.acreate(text="new", user=ada)
        row = {"id": created.pk, "text": "new", "user": ada.pk}
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
async def test_a_subscriber_to_one_user_receives_only_comments_of_that_user(ada, by_pk) -> None:
    bob = await User.objects.acreate_user("test 2")
    async with client(OwnComments, user=None if by_pk else ada) as socket:
        if by_pk:
            await answer(socket, "subscribe_to_comments_of", user_pk=ada.pk)
        else:
            await answer(socket, "subscribe_to_comment_activity")
        await Comment.objects.acreate(text="user 2 creates a second comment", user=bob)
        created = await Comment.objects.acreate(text="own", user=ada)
        assert await socket.receive_json() == {"id": created.pk, "text": "own", "user": ada.pk}
        await socket.expect_nothing()


# 1.3.9: the tutorial's chat.


class PersonSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username"]


class MessageSerializer(serializers.ModelSerializer):
    created_at_formatted = serializers.SerializerMethodField()
    user = PersonSerializer()

    class Meta:
        model = Message
        fields = ["id", "room", "text", "user", "created_at_formatted"]

    def get_created_at_formatted(self, obj: Message):
        return obj.created_at.strftime("%d-%m-%Y")


class RoomSerializer(serializers.ModelSerializer):
    last_message = serializers.SerializerMethodField()
    messages = MessageSerializer(many=True, read_only=True)

    class Meta:
        model = Room
        fields = ["pk", "name", "host", "messages", "current_users", "last_message"]
        read_only_fields = ["messages", "last_message"]

    def get_last_message(self, obj: Room):
        last = obj.messages.order_by("created_at").last()
        return last and MessageSerializer(last).data


class RoomConsumer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = Room.objects.all()
    serializer_class = RoomSerializer
    lookup_field = "pk"

    async def disconnect(self, code):
        if hasattr(self, "room_subscribe"):
            await self.remove_user_from_room(self.room_subscribe)
            await self.notify_users()
        await super().disconnect(code)

    @action()
    async def join_room(self, pk, **kwargs):
        self.room_subscribe = pk
        await self.add_user_to_room(pk)
        await self.notify_users()

    @action()
    async def leave_room(self, pk, **kwargs):
        await self.remove_user_from_room(pk)

    @action()
    async def create_message(self, message, **kwargs):
        room: Room = await self.get_room(pk=self.room_subscribe)
        await database_sync_to_async(Message.objects.create)(
            room=room, user=self.scope["user"], text=message
        )

    @action()
    async def subscribe_to_messages_in_room(self, pk, **kwargs):
        await self.message_activity.subscribe(room=pk)

    @model_observer(Message)
    async def message_activity(self, message, observer=None, **kwargs):
        await self.send_json(message)

    @message_activity.groups_for_signal
    def message_activity(self, instance: Message, **kwargs):
        yield f"room__{instance.room_id}"
        yield f"pk__{instance.pk}"

    @message_activity.groups_for_consumer
    def message_activity(self, room=None, **kwargs):
        if room is not None:
            yield f"room__{room}"

    @message_activity.serializer
    def message_activity(self, instance: Message, action, **kwargs):
        data = MessageSerializer(instance).data
        return {"data": data, "action": action.value, "pk": instance.pk}

    async def notify_users(self):
        room: Room = await self.get_room(self.room_subscribe)
        for group in self.groups:
            await self.channel_layer.group_send(
                group, {"type": "update_users", "usuarios": await self.current_users(room)}
            )

    async def update_users(self, event: dict):
        await self.send(text_data=json.dumps({"usuarios": event["usuarios"]}))

    @database_sync_to_async
    def get_room(self, pk: int) -> Room:
        return Room.objects.get(pk=pk)

    @database_sync_to_async
    def current_users(self, room: Room):
        return [PersonSerializer(user).data for user in room.current_users.all()]

    @database_sync_to_async
    def remove_user_from_room(self, room):
        user: User = self.scope["user"]
        user.current_rooms.remove(room)

    @database_sync_to_async
    def add_user_to_room(self, pk):
        user: User = self.scope["user"]
        if not user.current_rooms.filter(pk=self.room_subscribe).exists():
            user.current_rooms.add(Room.objects.get(pk=pk))


async def test_the_chat_of_the_tutorial_works_for_two_users(ada) -> None:
    bob = await User.objects.acreate_user("test 2")
    room = await Room.objects.acreate(name="lobby", host=ada)
    ada_data, bob_data = ({"id": user.pk, "username": user.username} for user in (ada, bob))
    async with client(RoomConsumer, user=ada) as page:
        await page.send_json({"action": "join_room", "request_id": 1, "pk": room.pk})
        row = {"pk": room.pk, "name": "lobby", "host": ada.pk, "messages": [], "last_message": None}
        row["current_users"] = [ada.pk]
        assert await answer(page, "retrieve", pk=room.pk) == reply("retrieve", row)
        await page.send_json({"action": "subscribe_to_messages_in_room", "pk": room.pk})
        subscribed = await answer(page, "subscribe_instance", pk=room.pk)
        assert subscribed == reply("subscribe_instance", status=201)

        async with client(RoomConsumer, user=bob) as other:
            await other.send_json({"action": "subscribe_to_messages_in_room", "pk": room.pk})
            await other.send_json({"action": "join_room", "pk": room.pk})
            assert await page.receive_json() == {"usuarios": [ada_data, bob_data]}
            assert await other.receive_json() == {"usuarios": [ada_data, bob_data]}

            await other.send_json({"action": "create_message", "message": "hi"})
            message = await page.receive_json()
            created = await Message.objects.aget()
            data = {"id": created.pk, "room": room.pk, "text": "hi", "user": bob_data}
            data["created_at_formatted"] = f"{created.created_at:%d-%m-%Y}"
            assert message == {"data": data, "action": "create", "pk": created.pk}
            assert await other.receive_json() == message
        assert await page.receive_json() == {"usuarios": [ada_data]}


async def test_a_subscriber_of_the_tutorials_room_receives_its_current_state(ada) -> None:
    room = await Room.objects.acreate(name="lobby", host=ada)
    async with client(RoomConsumer, user=ada) as page:
        await answer(page, "subscribe_instance", pk=room.pk)
        room.name = "hall"
        await room.asave()
        row = {"pk": room.pk, "name": "hall", "host": ada.pk, "messages": []}
        row |= {"current_users": [], "last_message": None}
        assert await page.receive_json() == reply("update", row)
