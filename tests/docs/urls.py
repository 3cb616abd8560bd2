from django.urls import include, path

urlpatterns = []  # those of the project

urlpatterns += [path("sockets/", include("rest_channels.console.urls"))]
