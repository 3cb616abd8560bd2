from django.views.generic import TemplateView

from demo.people import demo_people

from .models import Ticket
from .rights import token_of


class BoardPage(TemplateView):
    """Three people side by side, each with a connection of his own."""

    template_name = "board/board.html"

    def get_context_data(self, **kwargs):
        people = [{"name": user.username, "token": token_of(user)} for user in demo_people()]
        return super().get_context_data(people=people, columns=Ticket.Status.choices, **kwargs)
