from django.apps import AppConfig


class ChatRoomsConfig(AppConfig):
    name = "demo.chat_rooms"
    verbose_name = "Chat rooms"
