from django.urls import path

from rest_channels.routing import SocketApplication

from . import library, lobby, lobby_before

urlpatterns = [
    path("ws/library/", library.Library.as_asgi()),
    path("ws/lobby/<slug:name>/", lobby_before.Lobby.as_asgi()),
    path("ws/2/lobby/<slug:name>/", lobby.Lobby.as_asgi()),
]

application = SocketApplication(urlpatterns)
