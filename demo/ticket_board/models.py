"""Tickets in three columns. A ticket's position is a number between those of its neighbours."""

from django.conf import settings
from django.db import models

from rest_channels.observer import ObservedQuerySet


class TicketManager(models.Manager.from_queryset(ObservedQuerySet)):
    """Read the owner together with the ticket. Observers use it too: it is the base manager."""

    def get_queryset(self):
        return super().get_queryset().select_related("owner")


class Ticket(models.Model):
    class Status(models.TextChoices):
        TODO = "todo", "To do"
        DOING = "doing", "Doing"
        DONE = "done", "Done"

    title = models.CharField(max_length=80)
    status = models.CharField(max_length=5, choices=Status, default=Status.TODO)
    position = models.FloatField(default=0, help_text="The lowest is at the top of the column.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tickets")

    objects = TicketManager()

    class Meta:
        base_manager_name = "objects"
        ordering = ["position", "pk"]

    def __str__(self):
        return self.title

    def move(self, status, before=None):
        """Move it to a column: before the ticket with that id, or to the end."""
        tickets = list(Ticket.objects.filter(status=status).exclude(pk=self.pk))
        index = next((i for i, other in enumerate(tickets) if other.pk == before), len(tickets))
        above = tickets[index - 1].position if index else None
        below = tickets[index].position if index < len(tickets) else None
        self.status, self.position = status, between(above, below)
        if self.position in (above, below):  # floats have no number between them: renumber
            for number, ticket in enumerate(tickets, 1):
                ticket.position = number
            Ticket.objects.bulk_update(tickets, ["position"])
            self.position = index + 0.5
        self.save()


def between(above, below):
    if above is None:
        return 1.0 if below is None else below - 1
    return above + 1 if below is None else (above + below) / 2
