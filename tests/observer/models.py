"""Models that the tests observe."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from rest_channels.observer import ObservedQuerySet


class Comment(models.Model):
    """The model in the documentation of djangochannelsrestframework."""

    text = models.TextField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, related_name="comments", on_delete=models.CASCADE, null=True
    )
    date = models.DateTimeField(auto_now_add=True)

    objects = ObservedQuerySet.as_manager()


class Tag(models.Model):
    """The other end of a many-to-many relation."""

    name = models.CharField(max_length=20)


class Ticket(models.Model):
    """A row whose key has no JSON type."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag, related_name="tickets")
    watchers = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Watching")


class Watching(models.Model):
    """The `through` model of a relation."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)


class Note(models.Model):
    """A row that outlives the rows it refers to."""

    about = models.ForeignKey(Ticket, on_delete=models.SET_NULL, null=True)
    tag = models.ForeignKey(Tag, on_delete=models.SET(None), null=True)


class Country(models.Model):
    """A row whose key is text."""

    code = models.CharField(primary_key=True, max_length=2)
    name = models.CharField(max_length=50)


class Place(models.Model):
    """A parent in multi-table inheritance."""

    name = models.CharField(max_length=50)


class Cafe(Place):
    """A child of `Place`."""

    stars = models.IntegerField(default=0)


class NamedPlace(Place):
    """A proxy of `Place`."""

    class Meta:
        proxy = True


class Shop(models.Model):
    """A parent whose keys differ from those of its children."""

    shop_id = models.AutoField(primary_key=True)
    sells = models.CharField(max_length=50)


class Bookstore(Cafe, Shop):
    """A child of two parents."""

    books = models.IntegerField(default=0)


class Kennel(Place):
    """Another child of `Place`, with a relation that its own children inherit."""

    tags = models.ManyToManyField(Tag)


class BigKennel(Kennel):
    """A child of `Kennel`."""

    size = models.IntegerField(default=0)


class TagProxy(Tag):
    """A proxy of `Tag`."""

    class Meta:
        proxy = True


class Price(models.Model):
    """A row whose key can be written in several ways."""

    amount = models.DecimalField(primary_key=True, max_digits=8, decimal_places=2)
    text = models.CharField(max_length=20, default="")


class Pair(models.Model):
    """A row with a composite key."""

    pk = models.CompositePrimaryKey("a", "b")
    a = models.IntegerField()
    b = models.IntegerField()


class Word(models.Model):
    """A row that foreign keys refer to by another column than its key."""

    slug = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=20, default="")
    language = models.CharField(max_length=2, default="en")

    objects = ObservedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "language"], name="word_once")]


class Text(models.Model):
    """A row with a relation by that column, and with a relation without a reverse name."""

    words = models.ManyToManyField(Word, through="Use", related_name="texts")
    tags = models.ManyToManyField(Tag, related_name="+")


class Use(models.Model):
    """The `through` model of `Text.words`."""

    text = models.ForeignKey(Text, on_delete=models.CASCADE)
    word = models.ForeignKey(Word, to_field="slug", on_delete=models.CASCADE)


class Meeting(models.Model):
    """A row with two relations that share a `through` model."""

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
    """The `through` model of hosts and guests."""

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE)
    host = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    guest = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )


class Guarded:
    """A descriptor that allows one assignment, like the protected fields of django-fsm."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else vars(instance)[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        if self.name in vars(instance):
            raise AttributeError("This attribute cannot be assigned.")
        vars(instance)[self.name] = value


class Order(models.Model):
    """A row with a column that cannot be assigned."""

    state = models.CharField(max_length=10, default="new")
    team = models.IntegerField(default=1)


Order.state = Guarded("state")  # type: ignore[assignment]


class Room(models.Model):
    """The room of the tutorial."""

    name = models.CharField(max_length=255, unique=True)
    host = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rooms"
    )
    current_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="current_rooms", blank=True
    )


class Message(models.Model):
    """The message of the tutorial, with the time that its serializer shows."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    text = models.TextField(max_length=500)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages"
    )
    created_at = models.DateTimeField(auto_now_add=True)


class Profile(models.Model):
    """A row that belongs to one user, and that has a row of its own."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, related_name="profile", on_delete=models.CASCADE
    )
    theme = models.CharField(max_length=20, default="light")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, null=True)
