from rest_framework.serializers import ModelSerializer

from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.observer import ObserverModelInstanceMixin
from rest_channels.permissions import IsAuthenticated

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title"]


class LiveNote(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer
    permission_classes = [IsAuthenticated]
    observer_many_to_many_relationships = True

    def get_queryset(self, **kwargs):
        return super().get_queryset(**kwargs).filter(writers=self.scope["user"])
