from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from . import files, outages, views
from .channels_tutorial.views import RoomPage
from .chat_rooms.views import ChatRoomsPage, MessageViewSet, RoomViewSet
from .dice_game.views import GamePage
from .plants.views import PlantPage, PlantViewSet
from .sequencer.views import CompositionList, CompositionPage
from .shopping_list.views import ShoppingListPage
from .ticket_board.views import BoardPage

api = DefaultRouter()
api.register("plants", PlantViewSet)
api.register("rooms", RoomViewSet)
api.register("messages", MessageViewSet)

urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("sequencer/", CompositionList.as_view(), name="compositions"),
    path("sequencer/<int:pk>/", CompositionPage.as_view(), name="composition"),
    path("channels-tutorial/<slug:room_name>/", RoomPage.as_view(), name="channels_tutorial"),
    path("chat-rooms/", ChatRoomsPage.as_view(), name="chat_rooms"),
    path("chat-rooms/<int:pk>/", ChatRoomsPage.as_view(), name="chat_room"),
    path("ticket-board/", BoardPage.as_view(), name="ticket_board"),
    path("dice-game/<int:pk>/", GamePage.as_view(), name="dice_game"),
    path("shopping-list/", ShoppingListPage.as_view(), name="shopping_list"),
    path("plants/", PlantPage.as_view(), name="plants"),
    path("api/", include(api.urls)),
    path("files/<path:path>", files.FilePage.as_view(), name="file"),
    path("sockets/", include("rest_channels.console.urls")),
    path("restart-redis/", outages.RestartRedis.as_view(), name="restart_redis"),
    path("login/", views.LogIn.as_view(), name="login"),
    path("login/<str:username>/", views.LogInAs.as_view(), name="log_in_as"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
