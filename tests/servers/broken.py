"""Routes with a common mistake: the view does not exist."""

from django.urls import path

from tests.servers import lesson

urlpatterns = [path("room/", lesson.NoSuchConsumer.as_asgi())]
