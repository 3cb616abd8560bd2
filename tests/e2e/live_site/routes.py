"""The paths of the three lists."""

from django.urls import path

from .consumers import Mine, Open, Top

urlpatterns = [
    path("mine/", Mine.as_asgi()),
    path("open/", Open.as_asgi()),
    path("top/", Top.as_asgi()),
]
