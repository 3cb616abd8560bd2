"""Rooms to talk in. The other half is the page's `talk/talk.js`."""

from rest_framework.serializers import IntegerField

from rest_channels.decorators import action
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import CreateModelMixin
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from rest_channels.permissions import IsAuthenticated

from .models import Message, Room, Visit
from .serializers import MessageSerializer, RoomSerializer


class RoomConsumer(ObserverModelInstanceMixin, CreateModelMixin, GenericAsyncAPIConsumer):
    """`subscribe_instance` tells who is in a room, `create` makes one."""

    queryset = Room.objects.all()
    serializer_class = RoomSerializer
    permission_classes = [IsAuthenticated]
    observer_many_to_many_relationships = True

    visit = None
    has_left = False

    def perform_create(self, serializer):
        serializer.save(host=self.scope["user"])

    # All rooms

    @model_observer(Room, serializer_class=RoomSerializer, many_to_many=True)
    async def rooms(self, message, action, subscribing_request_ids, **kwargs):
        for request_id in subscribing_request_ids:
            await self.reply(f"room_{action}", data=message, request_id=request_id)

    @action()
    def subscribe_to_rooms(self, request_id):
        self.rooms.unsubscribe()  # what an earlier request asked for
        self.rooms.subscribe(request_id=request_id)
        return self.get_serializer(self.get_queryset(), many=True).data, 201

    # What is said in a room, by whatever way it got into the table

    @model_observer(Message, serializer_class=MessageSerializer)
    async def messages(self, message, action, subscribing_request_ids, **kwargs):
        for request_id in subscribing_request_ids:
            await self.reply(f"message_{action}", data=message, request_id=request_id)

    @messages.groups_for_signal
    def messages(self, instance, **kwargs):
        yield f"room {instance.room_id}"

    @messages.groups_for_consumer
    def messages(self, room, **kwargs):
        yield f"room {room.pk}"

    @action()
    def subscribe_to_messages_in_room(self, pk, request_id):
        """From now on tell of messages; first the latest ones. So none falls in between."""
        room = self.get_object(pk=pk)
        self.messages.unsubscribe(room=room)
        self.messages.subscribe(room=room, request_id=request_id)
        return MessageSerializer(room.history(), many=True).data, 201

    @action(http_method="GET")
    def earlier_messages(self, pk, before):
        before = IntegerField().run_validation(before)
        messages = self.get_object(pk=pk).history(before)
        return MessageSerializer(messages, many=True).data, 200

    @action()
    def create_message(self, data):
        serializer = MessageSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        serializer.save(user=self.scope["user"])
        return serializer.data, 201

    # Who is here

    @action(atomic=True)
    def join_room(self, pk):
        room = self.get_object(pk=pk)
        self.end_visit()
        self.visit = Visit.objects.create(room=room, user=self.scope["user"])
        if self.has_left:  # the connection was lost meanwhile
            self.end_visit()
        return self.get_serializer(room).data, 200

    @action()
    def leave_room(self, pk):
        room = self.get_object(pk=pk)
        self.messages.unsubscribe(room=room)
        self.end_visit()
        return None, 204

    def disconnect(self, code):
        self.has_left = True
        self.end_visit()

    def end_visit(self):
        if self.visit is not None:
            Visit.objects.filter(pk=self.visit.pk).delete()

    async def gap(self, groups):
        """Something was lost between two servers: the page has to look again."""
        await self.reply("gap")
