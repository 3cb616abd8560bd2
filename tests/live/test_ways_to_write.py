"""Each way to write rows, and whether lists are told of it."""

from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import ValidationError

from rest_channels.observer import notify_changed
from tests.observer.models import Comment, Note, Tag, Ticket, Word

from .client import client, subscribe
from .test_keys import lists_of

pytestmark = pytest.mark.django_db(transaction=True)


class WordSerializer(serializers.ModelSerializer):
    class Meta:
        model = Word
        fields = ["id", "name", "language"]


Words = lists_of(Word.objects.filter(language="en").order_by("name"))


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    notify_changed(Word.objects.all())


def conflicting():
    Word.objects.bulk_create(
        [Word(slug="a", name="c"), Word(slug="b", name="b")],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["slug"],
    )


def save_expression():
    word = Word.objects.get(slug="a")
    word.name = Concat(F("name"), Value("!"))
    word.save()


def bulk_update():
    words = [*Word.objects.all()]
    for word in words:
        word.name += "!"
    Word.objects.bulk_update(words, ["name"])


WAYS = {
    "update_or_create, which creates": (
        lambda: Word.objects.update_or_create(slug="b", defaults={"name": "b"}),
        ["a", "b"],
    ),
    "update_or_create, which updates": (
        lambda: Word.objects.update_or_create(slug="a", defaults={"name": "b"}),
        ["b"],
    ),
    "get_or_create": (lambda: Word.objects.get_or_create(slug="b", name="b"), ["a", "b"]),
    "bulk_create": (lambda: Word.objects.bulk_create([Word(slug="b", name="b")]), ["a", "b"]),
    "bulk_create of a row that exists": (conflicting, ["b", "c"]),
    "bulk_update": (bulk_update, ["a!"]),
    "update": (lambda: Word.objects.update(language="de"), []),
    "update with an expression": (
        lambda: Word.objects.update(name=Concat(F("name"), Value("!"))),
        ["a!"],
    ),
    "save of an expression": (save_expression, ["a!"]),
    "save of some fields": (
        lambda: Word(pk=Word.objects.get().pk, name="b").save(update_fields=["name"]),
        ["b"],
    ),
    "delete of a queryset": (lambda: Word.objects.filter(slug="a").delete(), []),
    "raw SQL": (partial(sql, "UPDATE observer_word SET name = %s", "b"), ["b"]),
    "raw SQL that deletes": (partial(sql, "DELETE FROM observer_word"), []),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_list_follows_each_way_to_write(way) -> None:
    write, names = WAYS[way]
    await Word.objects.acreate(slug="a", name="a")
    async with client(Words) as socket:
        words = await subscribe(socket)
        await sync_to_async(write)()
        await words.until(*names)


# Relations.

Tagged = lists_of(Tag.objects.filter(tickets__title="t").order_by("name"))
OfRoom = lists_of(Ticket.objects.filter(watching__user__username="ada").order_by("title"), "title")


async def test_what_is_created_in_an_automatic_through_table_is_not_told() -> None:
    """Django sends no signal for it: use `add()`, or `notify_changed()`."""
    ticket, tag = await Ticket.objects.acreate(title="t"), await Tag.objects.acreate(name="a")
    link = await Ticket.tags.through.objects.acreate(ticket=ticket, tag=tag)
    await link.adelete()
    async with client(Tagged) as socket:
        tags = await subscribe(socket)
        link = await Ticket.tags.through.objects.acreate(ticket=ticket, tag=tag)
        await socket.expect_nothing(0.2)
        await sync_to_async(notify_changed)([link])
        await tags.until("a")
        await link.adelete()
        await tags.until()


async def test_what_is_written_in_a_through_table_of_the_project_is_told() -> None:
    ada = await User.objects.acreate_user("ada")
    ticket = await Ticket.objects.acreate(title="a")
    async with client(OfRoom) as socket:
        tickets = await subscribe(socket)
        for write in (
            lambda: ticket.watchers.set([ada]),
            lambda: ticket.watchers.through.objects.create(ticket=ticket, user=ada),
            lambda: ticket.watchers.add(ada),
        ):
            await sync_to_async(write)()
            await tickets.until("a")
            await sync_to_async(ticket.watchers.clear)()
            await tickets.until()


async def test_relations_of_a_foreign_key_are_told_as_the_manager_tells_updates() -> None:
    """`Comment` has an `ObservedQuerySet`, but Django adds with the base manager."""
    ada = await User.objects.acreate_user("ada")
    comment = await Comment.objects.acreate(text="a")
    own = lists_of(Comment.objects.filter(user__username="ada"), "text")
    async with client(own) as socket:
        comments = await subscribe(socket)
        await sync_to_async(ada.comments.add)(comment, bulk=False)
        await comments.until("a")
        await sync_to_async(ada.comments.clear)()
        await comments.until()
        await sync_to_async(ada.comments.set)([comment], bulk=False)
        await comments.until("a")
        await sync_to_async(ada.comments.remove)(comment)
        await comments.until()


async def test_rows_that_are_deleted_without_being_read_leave_the_list() -> None:
    """Django deletes notes of a tag with one statement, if nothing depends on them."""
    tag = await Tag.objects.acreate(name="a")
    ticket = await Ticket.objects.acreate(title="a")
    await Note.objects.acreate(about=ticket, tag=tag)
    async with client(lists_of(Note.objects.exclude(about=None), "pk")) as socket:
        notes = await subscribe(socket)
        assert len(notes.order) == 1
        await ticket.adelete()
        await notes.until()


# Views.


def save_and_raise(request):
    Word.objects.create(slug="b", name="b")
    raise LookupError


@api_view(["GET"])
def save_and_refuse(request):
    Word.objects.create(slug="b", name="b")
    raise ValidationError("no")


def save_and_survive(request):
    Word.objects.create(slug="b", name="b")
    try:
        with transaction.atomic():
            Word.objects.create(slug="b")
    except IntegrityError:
        pass
    try:
        with transaction.atomic():
            Word.objects.create(slug="c")
            raise LookupError
    except LookupError:
        return HttpResponse()


urlpatterns = [
    path("raise/", save_and_raise),
    path("refuse/", save_and_refuse),
    path("survive/", save_and_survive),
]


@pytest.fixture
def get(settings, monkeypatch):
    """`await get(path)`: a request in a transaction, as with `ATOMIC_REQUESTS`."""
    settings.ROOT_URLCONF = __name__

    def get_in_thread(url):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        return Client(raise_request_exception=False).get(url).status_code

    return sync_to_async(get_in_thread)


@pytest.mark.parametrize(("url", "status"), [("/raise/", 500), ("/refuse/", 400)])
async def test_what_a_view_saves_before_it_fails_is_not_told(get, url, status) -> None:
    await Word.objects.acreate(slug="a", name="a")
    async with client(Words) as socket:
        words = await subscribe(socket)
        assert await get(url) == status
        await socket.expect_nothing()
        await Word.objects.acreate(slug="c", name="c")
        await words.until("a", "c")


async def test_what_a_view_saves_although_a_part_of_it_fails_is_told(get) -> None:
    async with client(Words) as socket:
        words = await subscribe(socket)
        assert await get("/survive/") == 200
        assert set(await words.next()) == {"enter"}
        assert words.shown == ["b"]
        await socket.expect_nothing()
