"""What Django sends no signal for, as an `ObservedQuerySet` and `notify_changed` tell it."""

import pytest
from django.contrib.auth.models import User
from django.db import NotSupportedError, connection, transaction
from django.db.models import Count, Q

from rest_channels.observer import ObservedQuerySet, notify_changed
from rest_channels.observer.capture import changes

from .conftest import Watcher
from .models import Bookstore, Cafe, Comment, Country, Pair, Place, Word

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def comment(told):
    """A comment of nobody's."""
    comment = Comment.objects.create(text="a", user=User.objects.create_user("ada"))
    told.clear()
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
def test_whatever_django_updates_is_told(told, comment, kind, group) -> None:
    watcher = Watcher(Comment, group)
    assert KINDS[kind](Comment.objects.all()).update(text="b") == 1
    assert told == [[(comment.pk, "all", "update")]]
    assert watcher.model is Comment


def test_what_django_does_not_update_is_refused_as_ever(comment) -> None:
    both = Comment.objects.all().union(Comment.objects.all())
    for rows, error in ((Comment.objects.all()[:1], TypeError), (both, NotSupportedError)):
        with pytest.raises(error):
            rows.update(text="b")


def test_who_keeps_rows_is_given_them(comment) -> None:
    watcher, kept = Watcher(Comment), []
    watcher.keeps_instance = True
    hear = kept.extend
    changes.listeners.append(hear)
    Comment.objects.update(text="b")
    changes.listeners.remove(hear)
    assert [change.row.text for change in kept if watcher in change.moves] == ["b"]


def test_another_key_is_another_row(told) -> None:
    watchers = [Watcher(Country), Watcher(Pair)]
    Country.objects.create(code="de")
    Pair.objects.create(a=1, b=2)
    told.clear()
    ObservedQuerySet(Country).filter(code="de").update(code="fr")
    ObservedQuerySet(Pair).update(b=3)
    assert told == [
        [("de", "all", "delete"), ("fr", "all", "create")],
        [((1, 2), "all", "delete"), ((1, 3), "all", "create")],
    ]
    assert len(watchers) == 2


def test_an_update_is_told_to_parents_and_children(told) -> None:
    watchers = [Watcher(Place), Watcher(Cafe, lambda row: row.name), Watcher(Bookstore)]
    cafe = Cafe.objects.create(name="a")
    told.clear()
    moved = [(cafe.pk, "all", "update"), (cafe.pk, "a", "delete"), (cafe.pk, "b", "create")]
    ObservedQuerySet(Place).update(name="b")
    assert told.pop() == moved
    ObservedQuerySet(Cafe).update(name="a")
    assert len(told.pop()) == 3
    notify_changed([cafe])
    notify_changed(Place.objects.all())
    assert [len(some) for some in told] == [2, 2]
    assert len(watchers) == 3


def test_the_manager_of_a_reverse_relation_tells_what_it_takes_away(told, comment) -> None:
    watcher, ada = Watcher(Comment, lambda row: str(row.user_id)), comment.user
    ada.comments.remove(comment)
    ada.comments.add(comment, bulk=False)
    ada.comments.clear()
    comment.refresh_from_db()
    ada.comments.set([comment], bulk=False)
    gone, come = [(str(ada.pk), "delete"), ("None", "create")], [("None", "delete")]
    come.append((str(ada.pk), "create"))
    assert [{one[1:] for one in some} for some in told] == [{*gone}, {*come}] * 2
    assert watcher.model is Comment


# Rows that are made together.


def test_what_ignores_conflicts_tells_nothing(told, comment) -> None:
    watcher = Watcher(Comment)
    new = Comment(pk=comment.pk, text="b")
    Comment.objects.bulk_create([new], ignore_conflicts=True)
    Comment.objects.bulk_create([new], None, True)
    assert (told, watcher.model) == ([], Comment)


def test_rows_that_were_there_are_updated(told, comment) -> None:
    watcher = Watcher(Comment, lambda row: row.text)
    rows = (Comment(pk=pk, text="b", date=comment.date) for pk in (comment.pk, comment.pk + 7))
    Comment.objects.bulk_create(rows, None, False, True, ["text"], ["id"])
    moved = [(comment.pk, "a", "delete"), (comment.pk, "b", "create")]
    assert told == [[*moved, (comment.pk + 7, "b", "create")]]
    assert watcher.model is Comment


def test_a_column_that_is_not_updated_moves_nothing(told, comment) -> None:
    watcher = Watcher(Comment, lambda row: row.text)
    rows = [Comment(pk=comment.pk, text="b", date=comment.date)]
    Comment.objects.bulk_create(
        rows, update_conflicts=True, update_fields=["date"], unique_fields=["pk"]
    )
    assert told == [[(comment.pk, "a", "update")]]
    assert watcher.model is Comment


@pytest.mark.parametrize("unique", [["slug"], ["name", "language"]])
def test_rows_are_found_by_whatever_is_unique(told, unique) -> None:
    watcher = Watcher(Word)
    word = Word.objects.create(slug="a", name="b")
    told.clear()
    again = Word(slug="a" if unique == ["slug"] else "c", name="b")
    new = Word(slug="d", name="e")
    Word.objects.bulk_create(
        [again, new], update_conflicts=True, update_fields=["slug"], unique_fields=unique
    )
    assert told == [[(word.pk, "all", "update"), (new.pk, "all", "create")]]
    assert watcher.model is Word


def test_many_rows_are_told(told) -> None:
    watcher = Watcher(Word, lambda row: row.name)
    Word.objects.bulk_create([Word(slug=str(n), name=str(n)) for n in range(3000)])
    Word.objects.update(language="de")
    assert [len(some) for some in told] == [3000, 3000]
    assert watcher.model is Word


def test_nothing_is_asked_where_nobody_hears(queries) -> None:
    watcher = Watcher(Word, lambda row: row.name)
    watcher.listening = False
    Word.objects.bulk_create([Word(slug="a", name="a")])
    Word.objects.update(name="b")
    notify_changed(Word.objects.all())
    assert [sql.split()[0] for sql in queries] == ["INSERT", "UPDATE"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="Only PostgreSQL has locks here.")
def test_rows_are_locked_until_they_are_updated(comment, queries) -> None:
    watcher = Watcher(Comment)
    with transaction.atomic():
        Comment.objects.distinct().update(text="b")
    assert any("FOR UPDATE" in sql for sql in queries)
    assert watcher.model is Comment
