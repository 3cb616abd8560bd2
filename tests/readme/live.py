from django.urls import path

from .views import Editor

urlpatterns = [
    path("ws/notes/<int:pk>/", Editor.as_asgi()),
]
