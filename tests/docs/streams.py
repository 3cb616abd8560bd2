from django.urls import path

from rest_channels.multiplexer import Multiplexer

from .api import Notes
from .lobby_chat import Chat

urlpatterns = [
    path("ws/", Multiplexer(notes=Notes.as_asgi(), chat=Chat.as_asgi())),
]
