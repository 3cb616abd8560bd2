from rest_framework.permissions import (
    SAFE_METHODS,
    BasePermission,
    IsAdminUser,
    IsAuthenticated,
)

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action

from .models import Note
from .views import NoteSerializer


class IsWriterOrReadOnly(BasePermission):
    message = "Only the writers of this note may change it."

    def has_object_permission(self, request, view, note):
        if request.method in SAFE_METHODS:
            return True
        return note.writers.filter(pk=request.user.pk).exists()


class Desk(ModelConsumer):
    queryset = Note.objects.order_by("pk")
    serializer_class = NoteSerializer
    permission_classes = [IsAuthenticated, IsWriterOrReadOnly]

    @action(permission_classes=[IsAdminUser])
    def remove_all(self):
        count = Note.objects.count()
        Note.objects.all().delete()
        return {"removed": count}, 200
