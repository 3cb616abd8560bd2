"""The table of sessions, with columns of its own, as in django-user-sessions."""

from django.conf import settings
from django.db import models


class UserSession(models.Model):
    session_key = models.CharField(max_length=40, primary_key=True)
    session_data = models.TextField()
    expire_date = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    user_agent = models.CharField(max_length=200, null=True)

    class Meta:
        app_label = "session_site"
