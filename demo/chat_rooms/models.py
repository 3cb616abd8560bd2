"""Chat rooms, their messages, and the connections that are in them."""

from django.conf import settings
from django.db import models


class Room(models.Model):
    name = models.CharField(max_length=40, unique=True)
    host = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="rooms")
    current_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Presence", related_name="current_rooms"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def people(self):
        """Return the names of the users in the room. A user with two tabs is listed once."""
        names = self.current_users.order_by("username").values_list("username", flat=True)
        return list(names.distinct())

    def history(self, before=None, limit=50):
        """Return the latest messages, or the latest before a message id; oldest first."""
        messages = self.messages.select_related("user").order_by("-pk")
        if before is not None:
            messages = messages.filter(pk__lt=before)
        return [*messages[:limit]][::-1]


class Presence(models.Model):
    """A connection that is in a room."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="presences")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="room_presences"
    )

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
