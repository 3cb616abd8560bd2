"""Models to be observed."""

import uuid
from typing import Any

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


class Shop(models.Model):
    """A parent whose keys are others than its children's."""

    shop_id = models.AutoField(primary_key=True)
    sells = models.CharField(max_length=50)


class Bookstore(Cafe, Shop):
    """A child of two."""

    books = models.IntegerField(default=0)


class Kennel(Place):
    """Another child, with a relation that its own children inherit."""

    tags = models.ManyToManyField(Tag)


class BigKennel(Kennel):
    """One of those."""

    size = models.IntegerField(default=0)


class TagProxy(Tag):
    """A class that rows of a far end may be deleted by."""

    class Meta:
        proxy = True


class Price(models.Model):
    """A row whose key has several spellings."""

    amount = models.DecimalField(primary_key=True, max_digits=8, decimal_places=2)
    text = models.CharField(max_length=20, default="")


class Pair(models.Model):
    """A row with a key of two columns."""

    pk = models.CompositePrimaryKey("a", "b")
    a = models.IntegerField()
    b = models.IntegerField()


class Word(models.Model):
    """What is found by something else than its key."""

    slug = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=20, default="")
    language = models.CharField(max_length=2, default="en")

    objects = ObservedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "language"], name="word_once")]


class Text(models.Model):
    """A relation by that something else, and one that words know nothing of."""

    words = models.ManyToManyField(Word, through="Use", related_name="texts")
    tags = models.ManyToManyField(Tag, related_name="+")


class Use(models.Model):
    """What is in between."""

    text = models.ForeignKey(Text, on_delete=models.CASCADE)
    word = models.ForeignKey(Word, to_field="slug", on_delete=models.CASCADE)


class Meeting(models.Model):
    """Two relations through one model."""

    hosts = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="Attendance",
        through_fields=("meeting", "host"),
        related_name="hosting",
    )
    guests = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="Attendance",
        through_fields=("meeting", "guest"),
        related_name="visiting",
    )


class Attendance(models.Model):
    """Who is at a meeting, as the one or the other."""

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE)
    host = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    guest = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )


class Guarded:
    """What lets an attribute be set once, as django-fsm's protected fields do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else vars(instance)[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        if self.name in vars(instance):
            raise AttributeError("This is not set directly.")
        vars(instance)[self.name] = value


class Order(models.Model):
    """A row with such a column."""

    state = models.CharField(max_length=10, default="new")
    team = models.IntegerField(default=1)


Order.state = Guarded("state")  # type: ignore[assignment]


class Room(models.Model):
    """The tutorial's."""

    name = models.CharField(max_length=255, unique=True)
    host = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rooms"
    )
    current_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="current_rooms", blank=True
    )


class Message(models.Model):
    """The tutorial's, with the time that its serializer shows."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    text = models.TextField(max_length=500)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages"
    )
    created_at = models.DateTimeField(auto_now_add=True)
