from rest_framework.permissions import DjangoModelPermissions

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action

from .models import Note
from .views import NoteSerializer


class Notes(ModelConsumer):
    queryset = Note.objects.order_by("pk")
    serializer_class = NoteSerializer
    permission_classes = [DjangoModelPermissions]

    @action()
    def shout(self, pk):  # {"action": "shout", "pk": 7, "request_id": 1}
        note = self.get_object(pk=pk)
        return {"title": note.title.upper()}, 200
