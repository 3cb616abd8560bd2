from django.views.generic import TemplateView


class RoomPage(TemplateView):
    template_name = "channels_tutorial/room.html"
