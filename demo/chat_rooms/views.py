from django.contrib.auth.mixins import LoginRequiredMixin
from django.views.generic import TemplateView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.viewsets import ModelViewSet

from .models import Message, Room
from .permissions import OwnerChanges
from .serializers import MessageSerializer, RoomSerializer


class TalkPage(LoginRequiredMixin, TemplateView):
    """All rooms are one page; `pk` is the one to enter first."""

    template_name = "talk/talk.html"


class RoomViewSet(ModelViewSet):
    """The same rooms over HTTP."""

    queryset = Room.objects.select_related("host")
    serializer_class = RoomSerializer
    permission_classes = [IsAuthenticated, OwnerChanges]

    def perform_create(self, serializer):
        serializer.save(host=self.request.user)


class MessageViewSet(ModelViewSet):
    """The same messages over HTTP: what is posted here appears in the room, too."""

    queryset = Message.objects.select_related("user")
    serializer_class = MessageSerializer
    permission_classes = [IsAuthenticated, OwnerChanges]
    pagination_class = LimitOffsetPagination

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)
