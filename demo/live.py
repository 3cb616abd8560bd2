"""The sockets of the demo, as `urls.py` is the list of its pages."""

from django.urls import path, re_path

from .board.consumers import Board, Desk
from .chat.consumers import ChatConsumer
from .compositions.live import CompositionSocketView
from .plants.consumers import Plants, PlantStream
from .table.views import Table
from .talk.consumers import RoomConsumer

urlpatterns = [
    path("ws/compositions/<int:pk>/", CompositionSocketView.as_asgi()),
    re_path(r"ws/chat/(?P<room_name>\w+)/$", ChatConsumer.as_asgi()),
    path("table/<int:pk>/", Table.socket.as_asgi()),
    path("plants/", Plants.as_asgi()),
    path("plants/stream/", PlantStream.as_asgi()),
    path("talk/", RoomConsumer.as_asgi()),
    path("board/", Board.as_asgi()),
    path("board/desk/", Desk.as_asgi()),
]
