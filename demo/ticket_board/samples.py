"""The tickets that `demo_setup` creates, by column."""

from .access import set_access
from .models import Ticket

SAMPLES = {
    "todo": ["Bake a cake for Friday", "Book the cargo bike", "Hang up the lanterns"],
    "doing": ["Paint the stage", "Find a second trombone"],
    "done": ["Ask the neighbours"],
}


def create_tickets(users):
    """Give all `users` access to the board, and create the samples if there are no tickets."""
    for user in users:
        set_access(user, may_see=True)
    if Ticket.objects.exists():
        return
    titles = [(status, title) for status, column in SAMPLES.items() for title in column]
    for number, (status, title) in enumerate(titles):
        owner = users[number % len(users)]
        Ticket(title=title, owner=owner).move(status)
