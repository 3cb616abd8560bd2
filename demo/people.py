"""The people of the demo, who can be logged in as with one click."""

from django.conf import settings
from django.contrib.auth import get_user_model

PASSWORD = "demo"
NAMES = ("ada", "ben", "cleo")
ADMIN = "admin"


def demo_people():
    """The users that a visitor may slip into: none where the demo is not in debug mode."""
    users = get_user_model().objects.filter(username__in=NAMES, is_staff=False)
    return users.order_by("username") if settings.DEBUG else users.none()
