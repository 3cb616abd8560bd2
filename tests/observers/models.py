"""Models to be observed."""

import uuid

from django.conf import settings
from django.db import models

from rest_channels.observer import ObservedQuerySet


class Comment(models.Model):
    """Seed 001's."""

    text = models.TextField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, related_name="comments", on_delete=models.CASCADE, null=True
    )
    date = models.DateTimeField(auto_now_add=True)

    objects = ObservedQuerySet.as_manager()


class Tag(models.Model):
    """The far end of a relation."""

    name = models.CharField(max_length=20)


class Ticket(models.Model):
    """A row with a key that JSON does not know."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag, related_name="tickets")
    watchers = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Watching")


class Watching(models.Model):
    """A relation with a model of its own."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)


class Note(models.Model):
    """What outlives those it is about."""

    about = models.ForeignKey(Ticket, on_delete=models.SET_NULL, null=True)
    tag = models.ForeignKey(Tag, on_delete=models.SET(None), null=True)


class Country(models.Model):
    """A row whose key is text."""

    code = models.CharField(primary_key=True, max_length=2)
    name = models.CharField(max_length=50)


class Place(models.Model):
    """A parent in a table of its own."""

    name = models.CharField(max_length=50)


class Cafe(Place):
    """Its child."""

    stars = models.IntegerField(default=0)


class NamedPlace(Place):
    """Its proxy."""

    class Meta:
        proxy = True
