"""Many-to-many relations of all kinds: which rows a changed relation publishes."""

import pytest
from django.contrib.auth.models import User

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
def observers(observe):
    return [observe(model, many_to_many=True) for model in (Ticket, Tag, Text, Word, Meeting)]


@pytest.fixture
def tag(observers, published):
    tag = Tag.objects.create(name="a")
    published.clear()
    return tag


def keys(published):
    """Return the keys of each commit, all of which must be updates."""
    assert {action for commit in published for _pk, _group, action in commit} <= {"update"}
    return [[pk for pk, _group, _action in commit] for commit in published]


def test_removing_a_row_that_is_not_related_publishes_nothing_for_it(published, tag) -> None:
    ticket, other = Ticket.objects.create(), Tag.objects.create()
    ticket.tags.add(other)
    published.clear()
    ticket.tags.remove(tag)
    assert published == []
    ticket.tags.remove(tag, other)
    assert keys(published) == [[ticket.pk], [other.pk]] or keys(published) == [
        [ticket.pk, other.pk]
    ]


def test_deleting_a_related_row_as_a_proxy_publishes_the_other_end(published, tag) -> None:
    ticket = Ticket.objects.create()
    ticket.tags.add(tag)
    published.clear()
    TagProxy.objects.get(pk=tag.pk).delete()
    assert (ticket.pk, "all", "update") in published[0]


def test_a_relation_without_a_reverse_name_publishes_both_ends(published, tag) -> None:
    text = Text.objects.create()
    published.clear()
    text.tags.add(tag)
    assert keys(published) == [[text.pk, tag.pk]]


def test_an_inherited_relation_publishes_rows_of_the_child_model(published, tag, observe) -> None:
    observe(BigKennel, lambda row: "big", many_to_many=True)
    kennel, small = BigKennel.objects.create(), Kennel.objects.create()
    published.clear()
    kennel.tags.add(tag)
    Kennel.objects.get(pk=kennel.pk).tags.clear()
    small.tags.add(tag)
    assert keys(published) == [[kennel.pk, tag.pk]] * 2 + [[tag.pk]]


@pytest.mark.parametrize("way", ["row", "add", "reverse", "clear", "remove", "delete"])
def test_a_relation_by_another_column_publishes_primary_keys(published, observers, way) -> None:
    text, word = Text.objects.create(), Word.objects.create(slug="slug", name="a")
    if way == "row":
        published.clear()
        Use.objects.create(text=text, word=word)
    elif way in ("add", "reverse"):
        published.clear()
        text.words.add(word) if way == "add" else word.texts.add(text)
    else:
        use = Use.objects.create(text=text, word=word)
        published.clear()
        {"clear": word.texts.clear, "remove": lambda: text.words.remove(word)}.get(
            way, use.delete
        )()
    assert sorted(pk for commit in keys(published) for pk in commit) == sorted([text.pk, word.pk])


def test_a_through_row_that_changes_its_ends_publishes_old_and_new_ends(
    published, tag, observe
) -> None:
    user = User.objects.create_user("ada")
    observe(User, many_to_many=True)
    one, two = Ticket.objects.create(), Ticket.objects.create()
    row = Watching.objects.create(ticket=one, user=user)
    published.clear()
    row.ticket = two
    row.save()
    assert {pk for commit in keys(published) for pk in commit} == {one.pk, two.pk, user.pk}


def test_two_relations_that_share_a_through_model_publish_all_their_ends(
    published, observers, observe
) -> None:
    observe(User, many_to_many=True)
    host, guest = (User.objects.create_user(name) for name in ("ada", "bob"))
    meeting = Meeting.objects.create()
    published.clear()
    row = Attendance.objects.create(meeting=meeting, host=host)
    assert {pk for commit in keys(published) for pk in commit} == {meeting.pk, host.pk}
    published.clear()
    row.guest = guest
    row.save()
    assert {pk for commit in keys(published) for pk in commit} == {meeting.pk, host.pk, guest.pk}
    published.clear()
    meeting.guests.add(host)
    assert {pk for commit in keys(published) for pk in commit} == {meeting.pk, host.pk}


def test_changed_relations_without_subscribers_make_no_further_query(
    observers, tag, queries
) -> None:
    for observer in observers:
        observer.subscribed = False
    text = Text.objects.create()
    queries.clear()
    text.tags.add(tag)
    text.tags.clear()
    Word.objects.create(slug="a").delete()
    assert [sql.split()[0] for sql in queries].count("SELECT") <= 2  # made by Django
