"""The socket of the chat rooms. The browser's side is `chat_rooms/rooms.js`."""

from rest_framework.serializers import IntegerField

from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.history import History
from rest_channels.mixins import CreateModelMixin
from rest_channels.observer import model_observer
from rest_channels.permissions import IsAuthenticated

from .models import Message, Presence, Room
from .serializers import MessageSerializer, RoomSerializer

# A client that was away for ten minutes at most receives what it missed.
HISTORY = History(size=200, age=600)


class RoomConsumer(CreateModelMixin, GenericAsyncAPIConsumer):
    """Two observers send the rooms and messages that change. `create` creates a room."""

    queryset = Room.objects.all()
    serializer_class = RoomSerializer
    permission_classes = [IsAuthenticated]
    sends = {
        "room_create": RoomSerializer,
        "room_update": RoomSerializer,
        "room_delete": RoomSerializer,
        "message_create": MessageSerializer,
        "message_update": MessageSerializer,
        "message_delete": MessageSerializer,
    }

    presence = None
    is_disconnected = False

    def perform_create(self, serializer):
        serializer.save(host=self.scope["user"])

    # All rooms

    @model_observer(Room, serializer_class=RoomSerializer, many_to_many=True, history=HISTORY)
    async def rooms(self, message, action, subscribing_request_ids, **kwargs):
        for request_id in subscribing_request_ids:
            await self.reply(f"room_{action}", data=message, request_id=request_id)

    @action(response=RoomSerializer(many=True))
    def subscribe_to_rooms(self, request_id):
        self.rooms.unsubscribe()  # from an earlier request
        self.rooms.subscribe(request_id=request_id)
        return self.get_serializer(self.get_queryset(), many=True).data, 201

    # The messages of a room, also those that other code saves

    @model_observer(Message, serializer_class=MessageSerializer, history=HISTORY)
    async def messages(self, message, action, subscribing_request_ids, **kwargs):
        for request_id in subscribing_request_ids:
            await self.reply(f"message_{action}", data=message, request_id=request_id)

    @messages.groups_for_signal
    def messages(self, instance, **kwargs):
        yield f"room {instance.room_id}"

    @messages.groups_for_consumer
    def messages(self, room, **kwargs):
        yield f"room {room.pk}"

    @action(response=MessageSerializer(many=True))
    def subscribe_to_messages_in_room(self, pk: int, request_id):
        """Subscribe first, then return the latest messages: so none is missed in between."""
        room = self.get_object(pk=pk)
        self.messages.unsubscribe(room=room)
        self.messages.subscribe(room=room, request_id=request_id)
        return MessageSerializer(room.history(), many=True).data, 201

    @action(http_method="GET", response=MessageSerializer(many=True))
    def earlier_messages(self, pk: int, before: int):
        before = IntegerField().run_validation(before)
        messages = self.get_object(pk=pk).history(before)
        return MessageSerializer(messages, many=True).data, 200

    @action(request=MessageSerializer, response=MessageSerializer)
    def create_message(self, data):
        serializer = MessageSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        serializer.save(user=self.scope["user"])
        return serializer.data, 201

    # Which users are in a room

    @action(atomic=True, response=RoomSerializer)
    def join_room(self, pk: int):
        room = self.get_object(pk=pk)
        self.remove_presence()
        self.presence = Presence.objects.create(room=room, user=self.scope["user"])
        if self.is_disconnected:  # the connection ended in the meantime
            self.remove_presence()
        return self.get_serializer(room).data, 200

    @action(response=None)
    def leave_room(self, pk: int):
        room = self.get_object(pk=pk)
        self.messages.unsubscribe(room=room)
        if self.presence is not None and self.presence.room == room:  # it may be in the next room
            self.remove_presence()
        return None, 204

    def disconnect(self, code):
        self.is_disconnected = True
        self.remove_presence()

    def remove_presence(self):
        if self.presence is not None:
            Presence.objects.filter(pk=self.presence.pk).delete()
