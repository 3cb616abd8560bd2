"""Routes with the slip that everybody makes: a view that is not there."""

from django.urls import path

from tests.servers import lesson

urlpatterns = [path("room/", lesson.NoSuchConsumer.as_asgi())]
