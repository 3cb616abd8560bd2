from rest_framework.filters import SearchFilter
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import ModelConsumer
from rest_channels.observer import ObserverModelListMixin
from rest_channels.permissions import IsAuthenticated

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title"]


class LiveNotes(ObserverModelListMixin, ModelConsumer):
    queryset = Note.objects.order_by("title")
    serializer_class = NoteSerializer
    permission_classes = [IsAuthenticated]
    filter_backends = [SearchFilter]
    search_fields = ["title"]
    live_limit = 50

    def get_queryset(self, **kwargs):
        return super().get_queryset(**kwargs).filter(writers=self.scope["user"])
