"""The list of sockets, for `path("sockets/", include("rest_channels.console.urls"))`."""

from django.urls import path

from .views import index, socket_page

app_name = "rest_channels"
urlpatterns = [
    path("", index, name="sockets"),
    path("<int:number>/", socket_page, name="socket"),
]
