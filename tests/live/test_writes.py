"""Which writes are told: all that docs/observers.md names, without a query of their own."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.deletion import Collector
from django.test.utils import CaptureQueriesContext

from rest_channels.live import writes
from rest_channels.live.writes import LIVE_GROUP, MAX_KEYS, capture_writes
from rest_channels.observer import notify_changed
from tests.observer.models import Cafe, Comment, Note, Order, Place, Room, Tag, Ticket, Watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(monkeypatch):
    """What is told to hubs: for each commit a dict of tables and keys."""
    capture_writes()
    commits = []
    monkeypatch.setattr(writes, "may_have_members", lambda group: group == LIVE_GROUP)
    monkeypatch.setattr(
        writes,
        "publish",
        lambda event: commits.append(
            {label.split(".")[1]: keys for label, keys in event.data["written"]}
        ),
    )
    return commits


def test_a_commit_is_one_message_with_the_keys_of_each_table(told) -> None:
    with transaction.atomic():
        tag = Tag.objects.create(name="a")
        tag.save()
        comment = Comment.objects.create(text="b")
        assert told == []
    assert told == [{"tag": [tag.pk], "comment": [comment.pk]}]


def test_a_save_without_a_transaction_is_told_at_once(told) -> None:
    tag = Tag.objects.create(name="a")
    assert told == [{"tag": [tag.pk]}]


def test_what_a_savepoint_rolled_back_is_not_told(told) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                Comment.objects.create(text="a")
                raise LookupError
        except LookupError:
            Tag.objects.create(name="a")
        with transaction.atomic():
            kept = Comment.objects.create(text="b")
    ((commit),) = told
    assert commit.keys() == {"tag", "comment"}
    assert commit["comment"] == [kept.pk]


def test_a_savepoint_that_is_rolled_back_takes_nothing_from_its_transaction(told) -> None:
    with transaction.atomic():
        before = Tag.objects.create(name="a")
        try:
            with transaction.atomic():
                Tag.objects.create(pk=1_000, name="b")  # SQLite would give its key to the next
                raise LookupError
        except LookupError:
            after = Tag.objects.create(name="c")
    (commit,) = told
    assert {*commit["tag"]} == {before.pk, after.pk}


def test_a_transaction_after_one_that_was_rolled_back_is_told(told) -> None:
    def fail():
        with transaction.atomic():
            Tag.objects.create(name="a")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with transaction.atomic():
        tag = Tag.objects.create(name="b")
    assert told == [{"tag": [tag.pk]}]


def test_many_rows_are_told_as_a_changed_table(told) -> None:
    with transaction.atomic():
        for _ in range(MAX_KEYS + 1):
            Tag.objects.create(name="a")
    assert told == [{"tag": None}]


def test_the_save_of_a_child_is_told_for_the_tables_of_its_parents(told) -> None:
    cafe = Cafe.objects.create(name="a")
    assert told == [{"cafe": [cafe.pk], "place": [cafe.pk]}]


def test_deletions_are_told_with_what_cascades_delete_or_set_to_null(told) -> None:
    user = User.objects.create_user("ada")
    ticket = Ticket.objects.create(title="a")
    Watching.objects.create(ticket=ticket, user=user)
    Note.objects.create(about=ticket)
    key = str(ticket.pk)
    told.clear()
    ticket.delete()
    (commit,) = told
    assert commit["ticket"] == [key]
    assert commit["note"] is None
    assert "watching" in commit
    assert "ticket_tags" in commit


def test_relations_that_are_added_or_removed_are_told(told) -> None:
    ticket, tag = Ticket.objects.create(title="a"), Tag.objects.create(name="a")
    for change in (
        lambda: ticket.tags.add(tag),
        lambda: ticket.tags.remove(tag),
        lambda: ticket.tags.set([tag]),
        ticket.tags.clear,
    ):
        told.clear()
        change()
        assert any("ticket_tags" in commit for commit in told)


def test_bulk_writes_of_an_observed_queryset_are_told_after_they_are_written(told) -> None:
    Comment.objects.bulk_create([Comment(text="a")])
    Comment.objects.update(text="b")
    rows = [*Comment.objects.all()]
    Comment.objects.bulk_update(rows, ["text"])
    assert [commit.keys() for commit in told] == [{"comment"}] * 3


def test_what_is_reported_by_hand_is_told(told) -> None:
    place = Place.objects.create(name="a")
    told.clear()
    Place.objects.update(name="b")
    assert told == []
    notify_changed([place])
    notify_changed(Place.objects.all())
    assert told == [{"place": [place.pk]}, {"place": None}]


def test_a_failing_commit_hook_of_the_project_does_not_prevent_it(told) -> None:
    def fail():
        raise LookupError

    def write():
        with transaction.atomic():
            transaction.on_commit(fail)
            Tag.objects.create(name="a")

    with pytest.raises(LookupError):
        write()
    assert len(told) == 1


def test_no_query_is_made_to_find_out_what_is_written(told) -> None:
    user = User.objects.create_user("ada")
    room = Room.objects.create(name="a", host=user)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        room.current_users.add(user)
        Comment.objects.update(text="b")
        room.save()
    before = len(queries)
    writes._captures = False
    try:
        room.current_users.clear()
        with CaptureQueriesContext(connection) as queries:
            room.current_users.add(user)
            Comment.objects.update(text="b")
            room.save()
    finally:
        writes._captures = True
    assert len(queries) == before


def test_deletions_make_the_queries_that_they_make_without_it(told, monkeypatch) -> None:
    def queries_of_a_deletion():
        Order.objects.create()
        told.clear()
        with CaptureQueriesContext(connection) as queries:
            Order.objects.all().delete()
        return len(queries)

    number = queries_of_a_deletion()
    assert len(told) == 1
    monkeypatch.setattr(Collector, "delete", Collector.delete.__wrapped__)
    assert queries_of_a_deletion() == number
