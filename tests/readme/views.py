from django.shortcuts import get_object_or_404
from rest_framework.permissions import IsAuthenticated
from rest_framework.serializers import ModelSerializer

from rest_channels.views import SocketView

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title", "text"]


class Editor(SocketView):
    permission_classes = [IsAuthenticated]

    def connect(self, request, pk):
        note = get_object_or_404(request.user.notes, pk=pk)
        self.join(f"note-{pk}")
        self.send_json(NoteSerializer(note).data)

    def receive(self, request, pk):
        note = get_object_or_404(request.user.notes, pk=pk)
        serializer = NoteSerializer(note, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        self.broadcast(f"note-{pk}", serializer.data)
