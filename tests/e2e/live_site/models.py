"""Tickets, which the members of their board see."""

from django.conf import settings
from django.db import models

from rest_channels.observer import ObservedQuerySet


class Board(models.Model):
    """Its members see its tickets."""

    members = models.ManyToManyField(settings.AUTH_USER_MODEL)


class Ticket(models.Model):
    """A row of the lists."""

    board = models.ForeignKey(Board, models.CASCADE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    title = models.CharField(max_length=50)
    is_open = models.BooleanField(default=True)
    rank = models.IntegerField(default=0)

    objects = ObservedQuerySet.as_manager()
