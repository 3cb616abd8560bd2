"""Which groups a row leaves and joins: what is stored counts, whatever an instance remembers."""

import contextlib
import copy
import gc
import pickle
import uuid
import weakref
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.signals import post_save, pre_save

from rest_channels.observer.capture import memory, saves, signals

from .conftest import Watcher
from .models import (
    Bookstore,
    Cafe,
    Comment,
    Country,
    Kennel,
    Order,
    Pair,
    Place,
    Price,
    Shop,
    Ticket,
)

pytestmark = pytest.mark.django_db(transaction=True)


def by_user(row):
    return f"user {row.user_id}"


@pytest.fixture
def moving():
    return Watcher(Comment, by_user)


@pytest.fixture
def people():
    return [User.objects.create_user(name) for name in ("ada", "bob")]


@pytest.fixture
def comment(people, told, moving):
    """A comment of ada's."""
    comment = Comment.objects.create(text="a", user=people[0])
    told.clear()
    return comment


@pytest.fixture
def moved(comment, people):
    """What is told when it becomes bob's."""
    groups = (f"user {people[0].pk}", "delete"), (f"user {people[1].pk}", "create")
    return [[(comment.pk, *one) for one in groups]]


@pytest.fixture
def stale(comment, people, told):
    """The comment as it was before it became bob's."""
    stale = Comment.objects.get(pk=comment.pk)
    comment.user = people[1]
    comment.save()
    told.clear()
    return stale


# No error of ours fails a save.


def test_a_field_that_is_not_set_directly_is_no_obstacle(told) -> None:
    watcher = Watcher(Order, lambda row: f"team {row.team}")
    order = Order.objects.get(pk=Order.objects.create().pk)
    order.team = 2
    order.save(update_fields=["team", "state"])
    moved = [(order.pk, "team 1", "delete"), (order.pk, "team 2", "create")]
    assert told[1:] == [moved]
    assert watcher.model is Order


@pytest.mark.parametrize(
    "name", ["_before_save", "_after_save", "_before_delete", "_after_delete", "_after_init"]
)
def test_an_error_of_ours_fails_no_save(comment, monkeypatch, caplog, name) -> None:
    broken = {
        "_before_save": "begin_save",
        "_after_save": "end_save",
        "_after_init": "remember_groups",
    }.get(name, "normalize_key")
    monkeypatch.setattr(signals, broken, None)
    comment.save()
    comment.refresh_from_db()
    comment.delete()
    assert (Comment.objects.count(), "cannot be observed" in caplog.text) == (0, True)


def test_a_row_that_refuses_to_be_copied_is_told(told) -> None:
    class Odd(Comment):
        class Meta:
            proxy = True
            app_label = "observer"

        def __reduce__(self):
            raise TypeError

    watcher = Watcher(Comment)
    watcher.keeps_instance = True
    comment = Odd.objects.create(text="a")
    assert told == [[(comment.pk, "all", "create")]]


def test_text_instead_of_groups_is_refused(told, caplog) -> None:
    watcher = Watcher(Comment)
    watcher.groups_of = lambda pk, row: "abc"
    Comment.objects.create(text="a")
    assert (told, "'abc' is a string" in caplog.text) == ([], True)


# Saves within saves, and saves that fail.


@pytest.fixture
def again(monkeypatch):
    """Make a receiver of the project's, which hears of a model before us, save again."""
    receivers = []

    def save_again(model, change, only_new=False):
        def receiver(sender, instance, created, **kwargs):
            if (created or not only_new) and not hasattr(instance, "again"):
                instance.again = True
                change(instance)

        receivers.append((receiver, model))
        post_save.disconnect(sender=model, dispatch_uid=signals.UID)
        post_save.connect(receiver, model)

    yield save_again
    for receiver, model in receivers:
        post_save.disconnect(receiver, model)


@pytest.mark.parametrize("group", [None, lambda row: row.name])
def test_a_row_that_a_receiver_saves_again_is_created(told, again, group) -> None:
    again(Country, lambda row: row.save())
    watcher = Watcher(Country, group)
    Country.objects.create(code="de")
    assert [action for [(_pk, _group, action)] in told] == ["create", "update"]
    with transaction.atomic():
        Country.objects.create(code="fr")
    assert [action for _pk, _group, action in told[2]] == ["create"]
    assert watcher.model is Country


def test_a_save_within_a_save_leaves_it_its_move(told, again, comment, people, moved) -> None:
    again(Comment, lambda row: row.save())
    other = Watcher(Comment, by_user)
    comment.user = people[1]
    with transaction.atomic():
        comment.save()
    assert sorted(told[0]) == sorted([*moved[0], *moved[0]])
    assert other.model is Comment


def test_a_save_that_failed_leaves_nothing_to_the_next(told, comment, people) -> None:
    comment.user, comment.text = people[1], None
    with contextlib.suppress(IntegrityError), transaction.atomic():
        comment.save()
    comment.user, comment.text = people[0], "b"
    comment.save()
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]


def test_a_failed_save_within_a_save_leaves_it_its_move(told, again, comment, people) -> None:
    def fail(row):
        with contextlib.suppress(IntegrityError), transaction.atomic():
            row.text = None
            row.save(update_fields=["text"])

    again(Comment, fail)
    watcher = Watcher(Comment, by_user)
    comment.user = people[1]
    comment.save()
    assert {action for _pk, _group, action in told[0]} == {"delete", "create"}
    assert watcher.model is Comment


def test_failed_saves_do_not_pile_up(comment) -> None:
    comment.text = None
    for _ in range(20):
        with contextlib.suppress(IntegrityError):
            comment.save()
    assert len(saves._running[comment._state]) == saves.MAX_RUNNING_SAVES


def test_a_failed_save_does_not_keep_its_instance(comment) -> None:
    lost = Comment(text=None)
    with contextlib.suppress(IntegrityError):
        lost.save()
    lost = weakref.ref(lost)
    gc.collect()
    assert lost() is None


# Keys.


def test_a_key_is_told_as_it_is_stored(told, comment) -> None:
    spelled = Comment(pk=f"0{comment.pk}", text="b", date=comment.date, user=comment.user)
    spelled.save()
    ticket, price = uuid.uuid4(), Watcher(Price)
    tickets = Watcher(Ticket)
    Ticket(id=ticket.hex).save()
    Price(amount=Decimal("1.5")).save()
    Price(amount="2").save()
    keys = [pk for [(pk, _group, _action)] in told]
    assert [*map(str, keys)] == [str(comment.pk), str(ticket), "1.50", "2.00"]
    assert (type(keys[0]), price.model, tickets.model) == (int, Price, Ticket)


def test_a_key_of_two_columns_is_told(told) -> None:
    watcher = Watcher(Pair)
    pair = Pair(a="1", b=2)
    pair.save()
    assert told == [[((1, 2), "all", "create")]]
    assert watcher.model is Pair


# Deletions.


@pytest.mark.parametrize("way", ["refresh", "bulk", "stale", "defer"])
def test_a_deletion_is_told_where_the_row_was(told, comment, people, way) -> None:
    pk, row = comment.pk, Comment.objects.get(pk=comment.pk)
    if way == "bulk":
        row.user = people[1]
        Comment.objects.bulk_update([row], ["user"])
    else:
        Comment.objects.filter(pk=pk).update(user=people[1])
    if way == "refresh":
        row.refresh_from_db()
    if way == "defer":
        row = Comment.objects.only("text").get(pk=pk)
    told.clear()
    row.delete()
    assert told == [[(pk, f"user {people[1].pk}", "delete")]]


def test_rows_that_django_loads_to_delete_them_are_not_asked_for(
    told, comment, people, queries
) -> None:
    Comment.objects.create(text="b", user=people[0])
    told.clear()
    queries.clear()
    Comment.objects.all().delete()
    assert [sql.split()[0] for sql in queries] == ["SELECT", "DELETE"]
    assert [action for _pk, _group, action in told[0]] == ["delete"] * 2


# Rows that are saved over.


@pytest.mark.parametrize("way", ["instance", "loaded", "fixture"])
def test_a_row_that_is_saved_over_leaves_its_groups(told, comment, people, moved, way) -> None:
    other = Comment(pk=comment.pk, text="b", user=people[1], date=comment.date)
    if way == "fixture":
        [other] = serializers.deserialize("json", serializers.serialize("json", [other]))
    if way == "loaded":
        other = Comment.objects.create(text="b", user=people[1])
        other.pk = comment.pk
        told.clear()
    other.save()
    assert told == moved


def test_a_new_row_costs_no_query_where_its_key_has_a_default(django_assert_num_queries) -> None:
    watcher = Watcher(Ticket, lambda row: row.title)
    with django_assert_num_queries(1):
        Ticket.objects.create(title="a")
    with django_assert_num_queries(1):
        Ticket(id=uuid.uuid4(), title="b").save()
    comments = Watcher(Comment, by_user)
    with django_assert_num_queries(1):
        Comment.objects.create(text="a")
    assert (watcher.model, comments.model) == (Ticket, Comment)


# What is stored, and what is not asked for.


def test_what_the_database_computes_is_read(told, comment, people, moved) -> None:
    comment.user_id = F("user_id") + people[1].pk - people[0].pk
    comment.save()
    assert told == moved


def test_some_columns_of_an_old_instance_do_not_move_its_row(told, stale, people) -> None:
    stale.text = "b"
    stale.save(update_fields=["text"])
    assert told == [[(stale.pk, f"user {people[1].pk}", "update")]]


def test_an_old_instance_that_moves_its_row_is_told_where_it_was(told, stale, people) -> None:
    third = User.objects.create_user("eve")
    stale.user = third
    stale.save()
    moved = [(f"user {people[1].pk}", "delete"), (f"user {third.pk}", "create")]
    assert told == [[(stale.pk, *one) for one in moved]]


def test_an_old_instance_that_is_saved_whole_brings_its_row_back(told, stale, people) -> None:
    stale.save()
    back = [(f"user {people[1].pk}", "delete"), (f"user {people[0].pk}", "create")]
    assert set(told[0]) == {(stale.pk, *one) for one in back}


def test_what_another_process_has_moved_is_not_known(told, comment, people) -> None:
    """What docs/observers.md says of it: it is not told that bob has lost the comment."""
    QuerySet(Comment).update(user=people[1])
    comment.save()
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]


def test_an_unmoved_row_costs_no_query(comment, django_assert_num_queries) -> None:
    loaded = Comment.objects.get(pk=comment.pk)
    for _ in range(2):
        with django_assert_num_queries(1):
            loaded.save()


def test_copies_and_pickles_remember_nothing(comment) -> None:
    assert comment._state in memory._known_groups
    for copied in (copy.copy(comment), copy.deepcopy(comment), pickle.loads(pickle.dumps(comment))):
        assert copied._state not in memory._known_groups
    assert "rest_channels" not in str(vars(comment._state))


def test_a_watcher_does_not_inherit_what_another_has_known(comment, people, told) -> None:
    loaded = Comment.objects.get(pk=comment.pk)
    new = Watcher(Comment, lambda row: f"new {row.user_id}")
    loaded.save()
    assert (loaded.pk, f"new {people[0].pk}", "update") in told[0]
    assert new.model is Comment


def test_nothing_is_asked_where_nobody_hears(queries) -> None:
    watcher = Watcher(Country, lambda row: row.name)
    watcher.listening = False
    country = Country.objects.create(code="de", name="a")
    country.name = "b"
    country.save(update_fields=["name"])
    Country(code="de", name="c").save()
    Country(code="de").delete()
    assert [sql.split()[0] for sql in queries] == ["INSERT", "UPDATE", "UPDATE", "DELETE"]


@pytest.mark.parametrize("fields", [None, ["text"], ["user"]])
def test_what_nobody_heard_is_not_remembered(told, comment, moving, people, fields) -> None:
    moving.listening = False
    comment.user = people[1]
    comment.save(update_fields=fields)
    moving.listening = True
    told.clear()
    stored = Comment.objects.get(pk=comment.pk).user_id
    comment.user = people[0] if stored == people[1].pk else people[1]
    comment.save()
    assert {action for _pk, _group, action in told[0]} == {"delete", "create"}


def test_a_new_row_that_is_saved_before_it_is_saved_is_created_once(told, comment) -> None:
    def first(sender, instance, **kwargs):
        if instance.text == "first":
            instance.text = "second"
            instance.save()

    pre_save.connect(first, Comment)
    try:
        with transaction.atomic():
            new = Comment(text="first")
            new.save()
    finally:
        pre_save.disconnect(first, Comment)
    assert [(pk, action) for pk, _group, action in told[0]] == [(new.pk, "create")]


# Tables of parents.


def test_a_place_that_is_no_cafe_tells_nothing_of_cafes(told) -> None:
    watcher = Watcher(Cafe)
    Place.objects.create(name="a").save()
    assert (told, watcher.model) == ([], Cafe)


def test_a_parent_moves_its_child(told) -> None:
    watcher = Watcher(Cafe, lambda row: row.name)
    cafe = Cafe.objects.create(name="a")
    place = Place.objects.get(pk=cafe.pk)
    place.name = "b"
    place.save()
    assert told[1:] == [[(cafe.pk, "a", "delete"), (cafe.pk, "b", "create")]]
    place.name = "c"
    place.save(update_fields=["name"])
    assert told[2:] == [[(cafe.pk, "b", "delete"), (cafe.pk, "c", "create")]]
    assert watcher.model is Cafe


def test_a_child_of_two_is_found_by_either(told) -> None:
    watchers = [Watcher(Bookstore), Watcher(Shop)]
    Place.objects.create(name="a")
    store = Bookstore.objects.create(name="b", sells="c")
    Shop.objects.get(pk=store.shop_id).save()
    Cafe.objects.get(pk=store.pk).save()
    assert store.pk != store.shop_id
    assert sorted(told[1]) == sorted(
        [(store.pk, "all", "update"), (store.shop_id, "all", "update")]
    )
    assert told[2] == [(store.pk, "all", "update")]
    assert len(watchers) == 2


def test_a_sibling_writes_the_same_parent(told) -> None:
    watcher = Watcher(Cafe)
    cafe = Cafe.objects.create(name="a")
    told.clear()
    kennel = Kennel(place_ptr_id=cafe.pk, name="b")
    kennel.save()
    kennel.save()
    assert told == [[(cafe.pk, "all", "update")]] * 2
    assert watcher.model is Cafe


def test_a_child_of_a_row_that_is_there_creates_no_parent(told) -> None:
    watchers = [Watcher(Place), Watcher(Cafe)]
    place = Place.objects.create(name="a")
    Cafe(place_ptr_id=place.pk, name="b").save()
    assert sorted(told[1]) == [(place.pk, "all", "create"), (place.pk, "all", "update")]
    assert len(watchers) == 2


def test_a_fixture_writes_only_its_own_table(told) -> None:
    watchers = [Watcher(Place), Watcher(Cafe, lambda row: row.name)]
    cafe = Cafe.objects.create(name="a")
    data, pk = serializers.serialize("json", [cafe.place_ptr, cafe]), cafe.pk
    cafe.delete()
    told.clear()
    for one in serializers.deserialize("json", data):
        one.save()
    assert told == [[(pk, "all", "create")], [(pk, "a", "create")]]
    assert len(watchers) == 2


def test_a_parent_costs_nothing_where_nobody_hears_of_its_children(
    django_assert_num_queries,
) -> None:
    watcher = Watcher(Cafe, lambda row: row.name)
    watcher.listening = False
    place = Place.objects.create(name="a")
    with django_assert_num_queries(1):
        place.save()


def test_a_row_saved_elsewhere_is_asked_for_there(told, comment, people) -> None:
    comment._state.db = "replica"
    comment.save(using="default")
    assert told == [[(comment.pk, f"user {people[0].pk}", "update")]]
