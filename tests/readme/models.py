from django.conf import settings
from django.db import models


class Note(models.Model):
    title = models.CharField(max_length=100)
    text = models.TextField(blank=True)
    writers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="notes", blank=True)
