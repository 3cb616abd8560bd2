"""The sockets of the demo, as `urls.py` lists its pages."""

from django.urls import path, re_path

from .channels_tutorial.consumers import ChatConsumer
from .chat_rooms.consumers import RoomConsumer
from .dice_game.views import GamePage
from .plants.consumers import PlantConsumer, PlantStreamConsumer
from .sequencer.socket_views import CompositionSocketView
from .shopping_list.consumers import ShoppingList
from .ticket_board.consumers import BoardConsumer, MonitorConsumer
from .visitors import Visitors

urlpatterns = [
    re_path(r"ws/channels-tutorial/(?P<room_name>\w+)/$", ChatConsumer.as_asgi()),
    path("chat-rooms/", RoomConsumer.as_asgi()),
    path("dice-game/<int:pk>/", GamePage.socket.as_asgi()),
    path("plants/", PlantConsumer.as_asgi()),
    path("plants/stream/", PlantStreamConsumer.as_asgi()),
    path("sequencer/<int:pk>/", CompositionSocketView.as_asgi()),
    path("shopping-list/", ShoppingList.as_asgi()),
    path("ticket-board/", BoardConsumer.as_asgi()),
    path("ticket-board/monitor/", MonitorConsumer.as_asgi()),
    re_path(r"visitors/(?P<page>.*)$", Visitors.socket.as_asgi()),
]
