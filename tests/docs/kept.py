from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.history import History
from rest_channels.observer import model_observer
from rest_channels.permissions import IsAuthenticated

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title"]


class KeptNotes(AsyncAPIConsumer):
    permission_classes = [IsAuthenticated]

    notes = model_observer(Note, serializer_class=NoteSerializer, history=History(200, 600))

    @action()
    async def follow(self, request_id):
        await self.notes.subscribe(request_id=request_id)
        return None, 201
