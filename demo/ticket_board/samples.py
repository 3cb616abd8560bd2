"""The tickets that `demo_setup` brings, by column, and who owns them in turn."""

from .models import Ticket
from .rights import give

SAMPLES = {
    "todo": ["Bake a cake for Friday", "Book the cargo bike", "Hang up the lanterns"],
    "doing": ["Paint the stage", "Find a second trombone"],
    "done": ["Ask the neighbours"],
}


def bring_tickets(people):
    """Everybody gets the right to see the board; tickets only where there are none."""
    for user in people:
        give(user, right=True)
    if Ticket.objects.exists():
        return
    titles = [(status, title) for status, column in SAMPLES.items() for title in column]
    for number, (status, title) in enumerate(titles):
        owner = people[number % len(people)]
        Ticket(title=title, owner=owner).put(status)
