from django.shortcuts import render
from django.views import View
from rest_framework.serializers import ModelSerializer

from sockets import SocketRouter

from .models import Note


class NoteSerializer(ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title"]


class Shelf(View):
    socket = SocketRouter()
    socket.login_required = True

    def get(self, request):
        return render(request, "shelf.html")

    @socket.live("NOTES", serializer_class=NoteSerializer, stop="STOP_NOTES")
    def notes(socket, content):
        return Note.objects.filter(writers=socket.user, title__contains=content.get("search", ""))
