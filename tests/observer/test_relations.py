"""Many-to-many relations of all shapes: who is told that they have changed."""

import pytest
from django.contrib.auth.models import User

from .conftest import Watcher
from .models import (
    Attendance,
    BigKennel,
    Kennel,
    Meeting,
    Tag,
    TagProxy,
    Text,
    Ticket,
    Use,
    Watching,
    Word,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def both():
    return [Watcher(model, many_to_many=True) for model in (Ticket, Tag, Text, Word, Meeting)]


@pytest.fixture
def tag(both, told):
    tag = Tag.objects.create(name="a")
    told.clear()
    return tag


def keys(told):
    """The keys that were told, of each commit."""
    assert {action for some in told for _pk, _group, action in some} <= {"update"}
    return [[pk for pk, _group, _action in some] for some in told]


def test_who_was_not_related_is_not_removed(told, tag) -> None:
    ticket, other = Ticket.objects.create(), Tag.objects.create()
    ticket.tags.add(other)
    told.clear()
    ticket.tags.remove(tag)
    assert told == []
    ticket.tags.remove(tag, other)
    assert keys(told) == [[ticket.pk], [other.pk]] or keys(told) == [[ticket.pk, other.pk]]


def test_a_far_end_that_is_deleted_as_a_proxy_is_told(told, tag) -> None:
    ticket = Ticket.objects.create()
    ticket.tags.add(tag)
    told.clear()
    TagProxy.objects.get(pk=tag.pk).delete()
    assert (ticket.pk, "all", "update") in told[0]


def test_a_relation_that_its_far_end_does_not_know_is_told(told, tag) -> None:
    text = Text.objects.create()
    told.clear()
    text.tags.add(tag)
    assert keys(told) == [[text.pk, tag.pk]]


def test_a_relation_that_is_inherited_is_told(told, tag) -> None:
    watchers = [Watcher(BigKennel, lambda row: "big", many_to_many=True)]
    kennel, small = BigKennel.objects.create(), Kennel.objects.create()
    told.clear()
    kennel.tags.add(tag)
    Kennel.objects.get(pk=kennel.pk).tags.clear()
    small.tags.add(tag)
    assert keys(told) == [[kennel.pk, tag.pk]] * 2 + [[tag.pk]]
    assert len(watchers) == 1


@pytest.mark.parametrize("way", ["row", "add", "reverse", "clear", "remove", "delete"])
def test_rows_that_are_found_by_something_else_are_told_by_their_keys(told, both, way) -> None:
    text, word = Text.objects.create(), Word.objects.create(slug="slug", name="a")
    if way == "row":
        told.clear()
        Use.objects.create(text=text, word=word)
    elif way in ("add", "reverse"):
        told.clear()
        text.words.add(word) if way == "add" else word.texts.add(text)
    else:
        use = Use.objects.create(text=text, word=word)
        told.clear()
        {"clear": word.texts.clear, "remove": lambda: text.words.remove(word)}.get(
            way, use.delete
        )()
    assert sorted(pk for some in keys(told) for pk in some) == sorted([text.pk, word.pk])


def test_a_row_in_between_that_moves_is_told_at_all_ends(told, tag) -> None:
    user, people = User.objects.create_user("ada"), Watcher(User, many_to_many=True)
    one, two = Ticket.objects.create(), Ticket.objects.create()
    row = Watching.objects.create(ticket=one, user=user)
    told.clear()
    row.ticket = two
    row.save()
    assert {pk for some in keys(told) for pk in some} == {one.pk, two.pk, user.pk}
    assert people.model is User


def test_two_relations_may_share_a_model(told, both) -> None:
    people = Watcher(User, many_to_many=True)
    host, guest = (User.objects.create_user(name) for name in ("ada", "bob"))
    meeting = Meeting.objects.create()
    told.clear()
    row = Attendance.objects.create(meeting=meeting, host=host)
    assert {pk for some in keys(told) for pk in some} == {meeting.pk, host.pk}
    told.clear()
    row.guest = guest
    row.save()
    assert {pk for some in keys(told) for pk in some} == {meeting.pk, host.pk, guest.pk}
    told.clear()
    meeting.guests.add(host)
    assert {pk for some in keys(told) for pk in some} == {meeting.pk, host.pk}
    assert people.model is User


def test_nothing_is_asked_where_nobody_hears(both, tag, queries) -> None:
    for watcher in both:
        watcher.listening = False
    text = Text.objects.create()
    queries.clear()
    text.tags.add(tag)
    text.tags.clear()
    Word.objects.create(slug="a").delete()
    assert [sql.split()[0] for sql in queries].count("SELECT") <= 2  # Django's own
