"""Rooms in which people talk. Who is in a room is in it by each connection that he has there."""

from django.conf import settings
from django.db import models


class Room(models.Model):
    name = models.CharField(max_length=40, unique=True)
    host = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="rooms")
    current_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Visit", related_name="current_rooms"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def people(self):
        """The names of those who are here, with however many tabs."""
        names = self.current_users.order_by("username").values_list("username", flat=True)
        return list(names.distinct())

    def history(self, before=None, limit=50):
        """The latest messages, or the latest before that one; oldest first."""
        messages = self.messages.select_related("user").order_by("-pk")
        if before is not None:
            messages = messages.filter(pk__lt=before)
        return [*messages[:limit]][::-1]


class Visit(models.Model):
    """A connection to a room."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="visits")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="visits")

    def __str__(self):
        return f"{self.user} in {self.room}"


class Message(models.Model):
    room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="messages")
    text = models.TextField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return f"{self.user}: {self.text:.40}"
