"""Which groups a row leaves and joins: the stored row decides, not what an instance remembers."""

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

from rest_channels.observer.capture import known_groups, saves, signals

from .conftest import by_user
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


@pytest.fixture
def comment(users, published, comments_by_user):
    """A comment of ada."""
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    return comment


@pytest.fixture
def moved(comment, users):
    """What is published when the comment becomes one of bob."""
    groups = (f"user {users[0].pk}", "delete"), (f"user {users[1].pk}", "create")
    return [[(comment.pk, *move) for move in groups]]


@pytest.fixture
def stale(comment, users, published):
    """An instance of the comment from before it became one of bob."""
    stale = Comment.objects.get(pk=comment.pk)
    comment.user = users[1]
    comment.save()
    published.clear()
    return stale


# Errors in observers fail no save.


def test_a_field_that_rejects_assignment_does_not_hide_a_moved_row(published, observe) -> None:
    observe(Order, lambda row: f"team {row.team}")
    order = Order.objects.get(pk=Order.objects.create().pk)
    order.team = 2
    order.save(update_fields=["team", "state"])
    moved = [(order.pk, "team 1", "delete"), (order.pk, "team 2", "create")]
    assert published[1:] == [moved]


@pytest.mark.parametrize(
    "name", ["_before_save", "_after_save", "_before_delete", "_after_delete", "_after_init"]
)
def test_an_error_in_our_signal_receivers_fails_no_save_and_is_logged(
    comment, monkeypatch, caplog, name
) -> None:
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


def test_an_instance_that_cannot_be_copied_publishes_its_change(published, observe) -> None:
    class Uncopyable(Comment):
        class Meta:
            proxy = True
            app_label = "observer"

        def __reduce__(self):
            raise TypeError

    observer = observe(Comment)
    observer.keeps_instance = True
    comment = Uncopyable.objects.create(text="a")
    assert published == [[(comment.pk, "all", "create")]]


def test_an_observer_that_returns_a_string_of_groups_publishes_nothing(
    published, caplog, observe
) -> None:
    observer = observe(Comment)
    observer.groups_of = lambda pk, row: "abc"
    Comment.objects.create(text="a")
    assert (published, "'abc' is a string" in caplog.text) == ([], True)


# Saves within saves, and saves that fail.


@pytest.fixture
def again(monkeypatch):
    """Connect a receiver that saves again, before the library receives the signal."""
    receivers = []

    def save_again(model, change, only_new=False):
        def receiver(sender, instance, created, **kwargs):
            if (created or not only_new) and not hasattr(instance, "again"):
                instance.again = True
                change(instance)

        receivers.append((receiver, model))
        post_save.disconnect(sender=model, dispatch_uid=signals.DISPATCH_UID)
        post_save.connect(receiver, model)

    yield save_again
    for receiver, model in receivers:
        post_save.disconnect(receiver, model)


@pytest.mark.parametrize("group", [None, lambda row: row.name])
def test_a_new_row_that_a_receiver_saves_again_publishes_create(
    published, again, group, observe
) -> None:
    again(Country, lambda row: row.save())
    observe(Country, group)
    Country.objects.create(code="de")
    assert [action for [(_pk, _group, action)] in published] == ["create", "update"]
    with transaction.atomic():
        Country.objects.create(code="fr")
    assert [action for _pk, _group, action in published[2]] == ["create"]


def test_a_nested_save_does_not_hide_that_the_outer_save_moved_the_row(
    published, again, comment, users, moved, observe
) -> None:
    again(Comment, lambda row: row.save())
    observe(Comment, by_user)
    comment.user = users[1]
    with transaction.atomic():
        comment.save()
    assert sorted(published[0]) == sorted([*moved[0], *moved[0]])


def test_a_failed_save_does_not_affect_the_change_that_the_next_save_publishes(
    published, comment, users
) -> None:
    comment.user, comment.text = users[1], None
    with contextlib.suppress(IntegrityError), transaction.atomic():
        comment.save()
    comment.user, comment.text = users[0], "b"
    comment.save()
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]


def test_a_failed_nested_save_does_not_hide_the_move_of_the_outer_save(
    published, again, comment, users, observe
) -> None:
    def fail(row):
        with contextlib.suppress(IntegrityError), transaction.atomic():
            row.text = None
            row.save(update_fields=["text"])

    again(Comment, fail)
    observe(Comment, by_user)
    comment.user = users[1]
    comment.save()
    assert {action for _pk, _group, action in published[0]} == {"delete", "create"}


def test_an_instance_keeps_a_limited_number_of_failed_saves(comment) -> None:
    comment.text = None
    for _ in range(20):
        with contextlib.suppress(IntegrityError):
            comment.save()
    assert len(saves._running[comment._state]) == saves.MAX_RUNNING_SAVES


def test_a_failed_save_does_not_keep_its_instance_alive(comment) -> None:
    failed = Comment(text=None)
    with contextlib.suppress(IntegrityError):
        failed.save()
    failed = weakref.ref(failed)
    gc.collect()
    assert failed() is None


# Keys.


def test_a_change_carries_the_key_as_the_database_stores_it(published, comment, observe) -> None:
    spelled = Comment(pk=f"0{comment.pk}", text="b", date=comment.date, user=comment.user)
    spelled.save()
    ticket = uuid.uuid4()
    observe(Price)
    observe(Ticket)
    Ticket(id=ticket.hex).save()
    Price(amount=Decimal("1.5")).save()
    Price(amount="2").save()
    keys = [pk for [(pk, _group, _action)] in published]
    assert [*map(str, keys)] == [str(comment.pk), str(ticket), "1.50", "2.00"]
    assert type(keys[0]) is int


def test_a_row_with_a_composite_key_publishes_its_change(published, observe) -> None:
    observe(Pair)
    pair = Pair(a="1", b=2)
    pair.save()
    assert published == [[((1, 2), "all", "create")]]


# Deletions.


@pytest.mark.parametrize("way", ["refresh", "bulk", "stale", "defer"])
def test_a_deletion_is_published_to_the_groups_of_the_stored_row(
    published, comment, users, way
) -> None:
    pk, row = comment.pk, Comment.objects.get(pk=comment.pk)
    if way == "bulk":
        row.user = users[1]
        Comment.objects.bulk_update([row], ["user"])
    else:
        Comment.objects.filter(pk=pk).update(user=users[1])
    if way == "refresh":
        row.refresh_from_db()
    if way == "defer":
        row = Comment.objects.only("text").get(pk=pk)
    published.clear()
    row.delete()
    assert published == [[(pk, f"user {users[1].pk}", "delete")]]


def test_a_queryset_deletion_makes_no_further_query_for_the_groups(
    published, comment, users, queries
) -> None:
    Comment.objects.create(text="b", user=users[0])
    published.clear()
    queries.clear()
    Comment.objects.all().delete()
    assert [sql.split()[0] for sql in queries] == ["SELECT", "DELETE"]
    assert [action for _pk, _group, action in published[0]] == ["delete"] * 2


# Rows that are overwritten.


@pytest.mark.parametrize("way", ["instance", "loaded", "fixture"])
def test_a_row_that_is_overwritten_leaves_its_previous_groups(
    published, comment, users, moved, way
) -> None:
    other = Comment(pk=comment.pk, text="b", user=users[1], date=comment.date)
    if way == "fixture":
        [other] = serializers.deserialize("json", serializers.serialize("json", [other]))
    if way == "loaded":
        other = Comment.objects.create(text="b", user=users[1])
        other.pk = comment.pk
        published.clear()
    other.save()
    assert published == moved


def test_a_new_row_with_a_default_key_costs_no_further_query(
    django_assert_num_queries, observe
) -> None:
    observe(Ticket, lambda row: row.title)
    with django_assert_num_queries(1):
        Ticket.objects.create(title="a")
    with django_assert_num_queries(1):
        Ticket(id=uuid.uuid4(), title="b").save()
    observe(Comment, by_user)
    with django_assert_num_queries(1):
        Comment.objects.create(text="a")


# Queries for the groups of a row.


def test_an_expression_value_is_read_back_to_find_the_new_group(
    published, comment, users, moved
) -> None:
    comment.user_id = F("user_id") + users[1].pk - users[0].pk
    comment.save()
    assert published == moved


def test_a_partial_save_of_an_outdated_instance_does_not_move_its_row(
    published, stale, users
) -> None:
    stale.text = "b"
    stale.save(update_fields=["text"])
    assert published == [[(stale.pk, f"user {users[1].pk}", "update")]]


def test_an_outdated_instance_that_moves_its_row_publishes_the_stored_group(
    published, stale, users
) -> None:
    third = User.objects.create_user("eve")
    stale.user = third
    stale.save()
    moved = [(f"user {users[1].pk}", "delete"), (f"user {third.pk}", "create")]
    assert published == [[(stale.pk, *move) for move in moved]]


def test_an_outdated_instance_that_is_saved_whole_moves_its_row_back(
    published, stale, users
) -> None:
    stale.save()
    back = [(f"user {users[1].pk}", "delete"), (f"user {users[0].pk}", "create")]
    assert set(published[0]) == {(stale.pk, *move) for move in back}


def test_an_instance_does_not_notice_that_another_process_moved_its_row(
    published, comment, users
) -> None:
    """docs/observers.md documents it: subscribers of bob do not learn that the comment has left."""
    QuerySet(Comment).update(user=users[1])
    comment.save()
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]


def test_saving_an_unmoved_row_costs_no_further_query(comment, django_assert_num_queries) -> None:
    loaded = Comment.objects.get(pk=comment.pk)
    for _ in range(2):
        with django_assert_num_queries(1):
            loaded.save()


def test_copies_and_pickles_of_an_instance_remember_no_groups(comment) -> None:
    assert comment._state in known_groups._known_groups
    for copied in (copy.copy(comment), copy.deepcopy(comment), pickle.loads(pickle.dumps(comment))):
        assert copied._state not in known_groups._known_groups
    assert "rest_channels" not in str(vars(comment._state))


def test_a_new_observer_does_not_use_the_groups_of_another_observer(
    comment, users, published, observe
) -> None:
    loaded = Comment.objects.get(pk=comment.pk)
    observe(Comment, lambda row: f"new {row.user_id}")
    loaded.save()
    assert (loaded.pk, f"new {users[0].pk}", "update") in published[0]


def test_saves_and_deletions_without_subscribers_make_no_further_query(queries, observe) -> None:
    observer = observe(Country, lambda row: row.name)
    observer.subscribed = False
    country = Country.objects.create(code="de", name="a")
    country.name = "b"
    country.save(update_fields=["name"])
    Country(code="de", name="c").save()
    Country(code="de").delete()
    assert [sql.split()[0] for sql in queries] == ["INSERT", "UPDATE", "UPDATE", "DELETE"]


@pytest.mark.parametrize("fields", [None, ["text"], ["user"]])
def test_an_instance_saved_without_subscribers_remembers_no_groups(
    published, comment, comments_by_user, users, fields
) -> None:
    comments_by_user.subscribed = False
    comment.user = users[1]
    comment.save(update_fields=fields)
    comments_by_user.subscribed = True
    published.clear()
    stored = Comment.objects.get(pk=comment.pk).user_id
    comment.user = users[0] if stored == users[1].pk else users[1]
    comment.save()
    assert {action for _pk, _group, action in published[0]} == {"delete", "create"}


def test_a_new_row_that_a_pre_save_receiver_saves_publishes_one_create(published, comment) -> None:
    def save_first(sender, instance, **kwargs):
        if instance.text == "first":
            instance.text = "second"
            instance.save()

    pre_save.connect(save_first, Comment)
    try:
        with transaction.atomic():
            new = Comment(text="first")
            new.save()
    finally:
        pre_save.disconnect(save_first, Comment)
    assert [(pk, action) for pk, _group, action in published[0]] == [(new.pk, "create")]


# Multi-table inheritance.


def test_a_parent_row_without_a_child_publishes_nothing_for_the_child(published, observe) -> None:
    observe(Cafe)
    Place.objects.create(name="a").save()
    assert published == []


def test_a_save_of_a_parent_moves_its_child_between_groups(published, observe) -> None:
    observe(Cafe, lambda row: row.name)
    cafe = Cafe.objects.create(name="a")
    place = Place.objects.get(pk=cafe.pk)
    place.name = "b"
    place.save()
    assert published[1:] == [[(cafe.pk, "a", "delete"), (cafe.pk, "b", "create")]]
    place.name = "c"
    place.save(update_fields=["name"])
    assert published[2:] == [[(cafe.pk, "b", "delete"), (cafe.pk, "c", "create")]]


def test_a_child_of_two_parents_is_updated_through_either_parent(published, observe) -> None:
    observe(Bookstore)
    observe(Shop)
    Place.objects.create(name="a")
    store = Bookstore.objects.create(name="b", sells="c")
    Shop.objects.get(pk=store.shop_id).save()
    Cafe.objects.get(pk=store.pk).save()
    assert store.pk != store.shop_id
    assert sorted(published[1]) == sorted(
        [(store.pk, "all", "update"), (store.shop_id, "all", "update")]
    )
    assert published[2] == [(store.pk, "all", "update")]


def test_a_save_of_a_sibling_publishes_an_update_of_the_shared_parents_child(
    published, observe
) -> None:
    observe(Cafe)
    cafe = Cafe.objects.create(name="a")
    published.clear()
    kennel = Kennel(place_ptr_id=cafe.pk, name="b")
    kennel.save()
    kennel.save()
    assert published == [[(cafe.pk, "all", "update")]] * 2


def test_a_child_of_an_existing_parent_publishes_update_for_the_parent(published, observe) -> None:
    observe(Place)
    observe(Cafe)
    place = Place.objects.create(name="a")
    Cafe(place_ptr_id=place.pk, name="b").save()
    assert sorted(published[1]) == [(place.pk, "all", "create"), (place.pk, "all", "update")]


def test_a_loaded_fixture_publishes_only_changes_of_its_own_table(published, observe) -> None:
    observe(Place)
    observe(Cafe, lambda row: row.name)
    cafe = Cafe.objects.create(name="a")
    data, pk = serializers.serialize("json", [cafe.place_ptr, cafe]), cafe.pk
    cafe.delete()
    published.clear()
    for loaded in serializers.deserialize("json", data):
        loaded.save()
    assert published == [[(pk, "all", "create")], [(pk, "a", "create")]]


def test_a_save_of_a_parent_costs_no_query_if_its_child_has_no_subscriber(
    django_assert_num_queries, observe
) -> None:
    observer = observe(Cafe, lambda row: row.name)
    observer.subscribed = False
    place = Place.objects.create(name="a")
    with django_assert_num_queries(1):
        place.save()


def test_a_row_saved_to_another_database_is_read_from_that_database(
    published, comment, users
) -> None:
    comment._state.db = "replica"
    comment.save(using="default")
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]
