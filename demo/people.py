"""The users of the demo. A visitor logs in as one of them with one click."""

from django.conf import settings
from django.contrib.auth import get_user_model

PASSWORD = "demo"
NAMES = ("ada", "ben", "cleo")
ADMIN = "admin"


def demo_users():
    """Return the users a visitor may log in as: none unless the demo is in debug mode."""
    users = get_user_model().objects.filter(username__in=NAMES, is_staff=False)
    return users.order_by("username") if settings.DEBUG else users.none()
