"""Changes without signals, as `ObservedQuerySet` and `notify_changed` publish them."""

import pytest
from django.contrib.auth.models import User
from django.db import NotSupportedError, connection, transaction
from django.db.models import Count, Q

from rest_channels.observer import ObservedQuerySet, notify_changed
from rest_channels.observer.capture import changes

from .models import Bookstore, Cafe, Comment, Country, Pair, Place, Word

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def comment(published):
    """A comment of ada."""
    comment = Comment.objects.create(text="a", user=User.objects.create_user("ada"))
    published.clear()
    return comment


KINDS = {
    "values": lambda rows: rows.values("text"),
    "values_list": lambda rows: rows.values_list("text", flat=True),
    "distinct": lambda rows: rows.distinct(),
    "annotated": lambda rows: rows.annotate(number=Count("user__comments")),
    "grouped": lambda rows: rows.values("user").annotate(number=Count("pk")),
    "ordered": lambda rows: rows.order_by("-text"),
    "only": lambda rows: rows.only("pk"),
    "select_related": lambda rows: rows.select_related("user"),
    "joined": lambda rows: rows.filter(Q(user__groups__name="x") | Q(text="a")),
    "dates": lambda rows: rows.dates("date", "day"),
    "filtered": lambda rows: rows.alias(number=Count("user__comments")).filter(number=1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [None, lambda row: "all"])
def test_every_kind_of_queryset_that_django_updates_publishes_its_changes(
    published, comment, kind, group, observe
) -> None:
    observe(Comment, group)
    assert KINDS[kind](Comment.objects.all()).update(text="b") == 1
    assert published == [[(comment.pk, "all", "update")]]


def test_a_queryset_that_django_does_not_update_raises_djangos_error(comment) -> None:
    both = Comment.objects.all().union(Comment.objects.all())
    for rows, error in ((Comment.objects.all()[:1], TypeError), (both, NotSupportedError)):
        with pytest.raises(error):
            rows.update(text="b")


def test_an_observer_that_keeps_instances_receives_the_updated_instance(comment, observe) -> None:
    observer, committed = observe(Comment), []
    observer.keeps_instance = True
    listener = committed.extend
    changes.listeners.append(listener)
    Comment.objects.update(text="b")
    changes.listeners.remove(listener)
    assert [change.row.text for change in committed if observer in change.moves] == ["b"]


def test_an_update_of_the_key_publishes_delete_and_create(published, observe) -> None:
    observe(Country)
    observe(Pair)
    Country.objects.create(code="de")
    Pair.objects.create(a=1, b=2)
    published.clear()
    ObservedQuerySet(Country).filter(code="de").update(code="fr")
    ObservedQuerySet(Pair).update(b=3)
    assert published == [
        [("de", "all", "delete"), ("fr", "all", "create")],
        [((1, 2), "all", "delete"), ((1, 3), "all", "create")],
    ]


def test_a_queryset_update_publishes_changes_of_parents_and_children(published, observe) -> None:
    observe(Place)
    observe(Cafe, lambda row: row.name)
    observe(Bookstore)
    cafe = Cafe.objects.create(name="a")
    published.clear()
    moved = [(cafe.pk, "all", "update"), (cafe.pk, "a", "delete"), (cafe.pk, "b", "create")]
    ObservedQuerySet(Place).update(name="b")
    assert published.pop() == moved
    ObservedQuerySet(Cafe).update(name="a")
    assert len(published.pop()) == 3
    notify_changed([cafe])
    notify_changed(Place.objects.all())
    assert [len(commit) for commit in published] == [2, 2]


def test_a_reverse_relation_manager_publishes_the_rows_that_it_moves(
    published, comment, observe
) -> None:
    observe(Comment, lambda row: str(row.user_id))
    ada = comment.user
    ada.comments.remove(comment)
    ada.comments.add(comment, bulk=False)
    ada.comments.clear()
    comment.refresh_from_db()
    ada.comments.set([comment], bulk=False)
    removed = {(str(ada.pk), "delete"), ("None", "create")}
    added = {("None", "delete"), (str(ada.pk), "create")}
    moves = [{(group, action) for _pk, group, action in commit} for commit in published]
    assert moves == [removed, added] * 2


# Rows that are created together.


def test_bulk_create_with_ignore_conflicts_publishes_nothing(published, comment, observe) -> None:
    observe(Comment)
    new = Comment(pk=comment.pk, text="b")
    Comment.objects.bulk_create([new], ignore_conflicts=True)
    Comment.objects.bulk_create([new], None, True)
    assert published == []


def test_bulk_create_with_update_conflicts_publishes_updates_of_existing_rows(
    published, comment, observe
) -> None:
    observe(Comment, lambda row: row.text)
    rows = (Comment(pk=pk, text="b", date=comment.date) for pk in (comment.pk, comment.pk + 7))
    Comment.objects.bulk_create(rows, None, False, True, ["text"], ["id"])
    moved = [(comment.pk, "a", "delete"), (comment.pk, "b", "create")]
    assert published == [[*moved, (comment.pk + 7, "b", "create")]]


def test_bulk_create_does_not_move_rows_by_a_column_it_does_not_update(
    published, comment, observe
) -> None:
    observe(Comment, lambda row: row.text)
    rows = [Comment(pk=comment.pk, text="b", date=comment.date)]
    Comment.objects.bulk_create(
        rows, update_conflicts=True, update_fields=["date"], unique_fields=["pk"]
    )
    assert published == [[(comment.pk, "a", "update")]]


@pytest.mark.parametrize("unique", [["slug"], ["name", "language"]])
def test_bulk_create_finds_existing_rows_by_any_unique_fields(published, unique, observe) -> None:
    observe(Word)
    word = Word.objects.create(slug="a", name="b")
    published.clear()
    again = Word(slug="a" if unique == ["slug"] else "c", name="b")
    new = Word(slug="d", name="e")
    Word.objects.bulk_create(
        [again, new], update_conflicts=True, update_fields=["slug"], unique_fields=unique
    )
    assert published == [[(word.pk, "all", "update"), (new.pk, "all", "create")]]


def test_three_thousand_rows_publish_their_changes(published, observe) -> None:
    observe(Word, lambda row: row.name)
    Word.objects.bulk_create([Word(slug=str(n), name=str(n)) for n in range(3000)])
    Word.objects.update(language="de")
    assert [len(commit) for commit in published] == [3000, 3000]


def test_bulk_operations_without_subscribers_make_no_further_query(queries, observe) -> None:
    observer = observe(Word, lambda row: row.name)
    observer.subscribed = False
    Word.objects.bulk_create([Word(slug="a", name="a")])
    Word.objects.update(name="b")
    notify_changed(Word.objects.all())
    assert [sql.split()[0] for sql in queries] == ["INSERT", "UPDATE"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Only PostgreSQL has locks here.")
def test_a_queryset_update_locks_its_rows_until_they_are_updated(comment, queries, observe) -> None:
    observe(Comment)
    with transaction.atomic():
        Comment.objects.distinct().update(text="b")
    assert any("FOR UPDATE" in sql for sql in queries)
