from django.urls import path

from .api import Notes
from .lobby_chat import Chat
from .methods import Game
from .views import Editor

urlpatterns = [
    path("ws/notes/<int:pk>/", Editor.as_asgi()),
    path("ws/games/<int:pk>/", Game.as_asgi()),
    path("ws/chat/", Chat.as_asgi()),
    path("ws/notes/", Notes.as_asgi()),
]
