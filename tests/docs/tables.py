from django.urls import path

from rest_channels.routing import route_class

from .poker import PokerPage
from .table import Table

urlpatterns = [
    path("tables/<int:pk>/", Table.socket.as_asgi()),
    route_class(PokerPage.socket.Handler, path=r"^/poker/(?P<pk>\d+)/$"),
]
