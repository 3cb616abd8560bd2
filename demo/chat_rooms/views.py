from django.contrib.auth.mixins import LoginRequiredMixin
from django.views.generic import TemplateView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.viewsets import ModelViewSet

from .models import Message, Room
from .permissions import IsOwnerOrReadOnly
from .serializers import MessageSerializer, RoomSerializer


class ChatRoomsPage(LoginRequiredMixin, TemplateView):
    """One page shows all rooms. It opens the room `pk` first."""

    template_name = "chat_rooms/rooms.html"


class RoomViewSet(ModelViewSet):
    """The rooms over HTTP."""

    queryset = Room.objects.select_related("host")
    serializer_class = RoomSerializer
    permission_classes = [IsAuthenticated, IsOwnerOrReadOnly]

    def perform_create(self, serializer):
        serializer.save(host=self.request.user)


class MessageViewSet(ModelViewSet):
    """The messages over HTTP. A message that is posted here appears in the open pages."""

    queryset = Message.objects.select_related("user")
    serializer_class = MessageSerializer
    permission_classes = [IsAuthenticated, IsOwnerOrReadOnly]
    pagination_class = LimitOffsetPagination

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)
