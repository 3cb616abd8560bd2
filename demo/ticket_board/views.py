from django.views.generic import TemplateView

from demo.people import demo_users

from .access import create_token
from .models import Ticket


class BoardPage(TemplateView):
    """Show the board as three users side by side. Each panel has its own connection."""

    template_name = "ticket_board/board.html"

    def get_context_data(self, **kwargs):
        users = [{"name": user.username, "token": create_token(user)} for user in demo_users()]
        return super().get_context_data(people=users, columns=Ticket.Status.choices, **kwargs)
