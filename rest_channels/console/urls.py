"""The list of sockets, for `path("sockets/", include("rest_channels.console.urls"))`."""

from django.urls import path, re_path

from .views import index, socket_page

app_name = "rest_channels"
urlpatterns = [
    path("", index, name="sockets"),
    re_path(r"^at(?P<key>/.*)$", socket_page, name="socket"),
]
