from django.urls import include, path

urlpatterns = [
    path("sockets/", include("rest_channels.console.urls")),
]
