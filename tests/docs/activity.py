from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import model_observer
from rest_channels.permissions import IsAuthenticated

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title"]


class Activity(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]

    notes = model_observer(Note, serializer_class=NoteSerializer)

    @notes.groups_for_signal
    def notes(self, instance, **kwargs):
        yield "long" if len(instance.text) > 1000 else "short"

    @notes.groups_for_consumer
    def notes(self, length=None, **kwargs):
        yield length

    @action()
    async def subscribe_to_notes(self, request_id, length):
        await self.notes.subscribe(length=length, request_id=request_id)
        return None, 201

    @action()
    async def unsubscribe_from_notes(self, request_id, length):
        await self.notes.unsubscribe(length=length, request_id=request_id)
        return None, 204
