from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from . import views
from .board.views import BoardPage
from .chat.views import Room
from .compositions.views import CompositionList, CompositionPage
from .plants.views import PlantPage, PlantViewSet
from .table.views import Table
from .talk.views import MessageViewSet, RoomViewSet, TalkPage

api = DefaultRouter()
api.register("plants", PlantViewSet)
api.register("rooms", RoomViewSet)
api.register("messages", MessageViewSet)

urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("compositions/", CompositionList.as_view(), name="compositions"),
    path("compositions/<int:pk>/", CompositionPage.as_view(), name="composition"),
    path("chat/<slug:room_name>/", Room.as_view(), name="chat"),
    path("table/<int:pk>/", Table.as_view(), name="table"),
    path("plants/", PlantPage.as_view(), name="plants"),
    path("talk/", TalkPage.as_view(), name="talk"),
    path("talk/<int:pk>/", TalkPage.as_view(), name="talk_in"),
    path("board/", BoardPage.as_view(), name="board"),
    path("api/", include(api.urls)),
    path("login/", views.LogIn.as_view(), name="login"),
    path("login/<str:username>/", views.LogInAs.as_view(), name="log_in_as"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
