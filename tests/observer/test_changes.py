"""Which changes each way of writing publishes. There is no consumer and no event loop."""

import contextlib
import uuid
from threading import Thread

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from rest_channels.observer import notify_changed

from .conftest import FakeObserver
from .models import Cafe, Comment, Country, NamedPlace, Note, Place, Tag, Ticket, Watching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def comments(observe):
    return observe(Comment)


def test_a_save_outside_of_a_transaction_is_published_at_once(published, comments) -> None:
    comment = Comment.objects.create(text="a")
    comment.save()
    pk = comment.pk
    comment.delete()
    assert published == [[(pk, "all", "create")], [(pk, "all", "update")], [(pk, "all", "delete")]]


def test_a_save_in_a_transaction_is_published_when_it_is_committed(published, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        assert published == []
    assert published == [[(comment.pk, "all", "create")]]


def test_a_transaction_that_is_rolled_back_publishes_no_change(published, comments) -> None:
    with contextlib.suppress(DatabaseError), transaction.atomic():
        Comment.objects.create(text="a")
        raise DatabaseError
    comment = Comment.objects.create(text="b")
    assert published == [[(comment.pk, "all", "create")]]


def test_a_savepoint_that_is_rolled_back_publishes_no_change(published, comments) -> None:
    with transaction.atomic():
        first = Comment.objects.create(text="a")
        with contextlib.suppress(DatabaseError), transaction.atomic():
            Comment.objects.create(text="b")
            raise DatabaseError
        with transaction.atomic():
            last = Comment.objects.create(text="c")
    assert published == [[(first.pk, "all", "create"), (last.pk, "all", "create")]]


def test_an_outer_rollback_discards_the_changes_of_an_inner_transaction(
    published, comments
) -> None:
    with contextlib.suppress(DatabaseError), transaction.atomic():
        with transaction.atomic():
            Comment.objects.create(text="b")
        raise DatabaseError
    assert published == []


def test_two_saves_in_one_transaction_publish_one_change(published, comments) -> None:
    comment = Comment.objects.create(text="a")
    published.clear()
    with transaction.atomic():
        comment.save()
        comment.save()
    assert published == [[(comment.pk, "all", "update")]]


def test_a_row_created_and_updated_in_one_transaction_publishes_create(published, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        comment.save()
    assert published == [[(comment.pk, "all", "create")]]


def test_a_row_created_and_deleted_in_one_transaction_publishes_nothing(
    published, comments
) -> None:
    with transaction.atomic():
        Comment.objects.create(text="a").delete()
    assert published == []


def test_a_deletion_that_is_rolled_back_leaves_the_creation_published(published, comments) -> None:
    with transaction.atomic():
        comment = Comment.objects.create(text="a")
        pk = comment.pk
        with contextlib.suppress(DatabaseError), transaction.atomic():
            comment.delete()
            raise DatabaseError
    assert published == [[(pk, "all", "create")]]


def test_a_row_updated_and_deleted_in_one_transaction_publishes_delete(published, comments) -> None:
    comment = Comment.objects.create(text="a")
    published.clear()
    with transaction.atomic():
        pk = comment.pk
        comment.save()
        comment.delete()
    assert published == [[(pk, "all", "delete")]]


def test_a_transaction_publishes_rows_in_the_order_they_were_written(
    published, comments, observe
) -> None:
    FakeObserver(Country)  # no reference keeps this observer alive
    observe(Country)
    with transaction.atomic():
        first = Comment.objects.create(text="a")
        Country.objects.create(code="de")
        second = Comment.objects.create(text="b")
        first.save()
    assert [pk for pk, _group, _action in published[0]] == [first.pk, "de", second.pk]


async def test_async_saves_publish_their_changes(published, comments) -> None:
    comment = await Comment.objects.acreate(text="a")
    await comment.asave()
    pk = comment.pk
    await comment.adelete()
    assert [change for [change] in published] == [
        (pk, "all", "create"),
        (pk, "all", "update"),
        (pk, "all", "delete"),
    ]


def test_a_save_in_another_thread_publishes_its_change(published, comments) -> None:
    def work():
        Comment.objects.create(text="b")
        connection.close()

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert [action for [(_pk, _group, action)] in published] == ["create"]


def test_get_or_create_publishes_only_rows_that_it_creates(published, comments) -> None:
    Comment.objects.get_or_create(text="a")
    Comment.objects.get_or_create(text="a")
    assert [action for [(_pk, _group, action)] in published] == ["create"]


def test_update_or_create_publishes_create_or_update(published, comments) -> None:
    for _ in range(2):
        Comment.objects.update_or_create(text="a", defaults={"text": "a"})
    assert [action for [(_pk, _group, action)] in published] == ["create", "update"]


def test_a_cascading_deletion_publishes_each_deleted_row(published, comments, users) -> None:
    pks = [Comment.objects.create(text=text, user=users[0]).pk for text in "ab"]
    published.clear()
    users[0].delete()
    assert sorted(published[0]) == [(pk, "all", "delete") for pk in pks]


def test_a_deletion_publishes_rows_whose_foreign_key_it_sets_to_null(published, observe) -> None:
    observe(Note)
    observe(Note, lambda row: f"about {row.about_id}")
    ticket, tag = Ticket.objects.create(), Tag.objects.create()
    note = Note.objects.create(about=ticket, tag=tag)
    published.clear()
    pk = ticket.pk
    ticket.delete()
    tag.delete()
    moved = [(note.pk, f"about {pk}", "delete"), (note.pk, "about None", "create")]
    stays = (note.pk, "about None", "update")
    assert published == [[(note.pk, "all", "update"), *moved], [(note.pk, "all", "update"), stays]]


def test_changes_of_rows_with_uuid_and_text_keys_are_published(published, observe) -> None:
    observe(Ticket)
    observe(Country)
    ticket = Ticket.objects.create(id=uuid.uuid4())
    Country.objects.create(pk="de")
    assert published == [[(ticket.pk, "all", "create")], [("de", "all", "create")]]


def test_a_new_instance_with_an_existing_key_publishes_update(published, observe) -> None:
    observe(Country)
    Country.objects.create(code="de")
    Country(code="de", name="Germany").save()
    assert [action for [(_pk, _group, action)] in published] == ["create", "update"]


# Rows that change their groups.


def test_a_changed_foreign_key_moves_the_row_between_groups(
    published, comments_by_user, users
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    comment = Comment.objects.get(pk=comment.pk)
    comment.user = users[1]
    comment.save()
    moved = [(f"user {users[0].pk}", "delete"), (f"user {users[1].pk}", "create")]
    assert published == [[(comment.pk, *move) for move in moved]]


def test_an_update_within_a_group_costs_no_further_query(
    published, comments_by_user, users
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    with CaptureQueriesContext(connection) as queries:
        comment.save()
    assert len(queries) == 1
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]


@pytest.mark.parametrize("load", ["refresh", "defer", "only"])
def test_an_outdated_instance_publishes_the_groups_that_the_database_has(
    published, comments_by_user, users, load
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    if load == "refresh":
        stale = Comment.objects.get(pk=comment.pk)
    comment.user = users[1]
    comment.save()
    published.clear()
    if load == "refresh":
        stale.refresh_from_db()
    else:
        stale = Comment.objects.only("text").get(pk=comment.pk)
        if load == "defer":
            stale = Comment.objects.defer("text").get(pk=comment.pk)
    stale.text = "b"
    stale.save()
    assert published == [[(comment.pk, f"user {users[1].pk}", "update")]]


def test_a_row_changes_groups_only_if_update_fields_includes_the_column(
    published, comments_by_user, users
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    comment.user = users[1]
    comment.save(update_fields=["text"])
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]
    comment.save(update_fields=["user"])
    assert [action for _pk, _group, action in published[1]] == ["delete", "create"]


def test_a_move_that_was_rolled_back_is_published_when_it_is_repeated(
    published, comments_by_user, users
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    comment.user = users[1]
    with contextlib.suppress(DatabaseError), transaction.atomic():
        comment.save()
        raise DatabaseError
    comment.save()
    assert [action for _pk, _group, action in published[0]] == ["delete", "create"]


def test_a_row_that_moves_and_returns_in_one_transaction_publishes_update(
    published, comments_by_user, users
) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    with transaction.atomic():
        for user in (users[1], users[0]):
            comment.user = user
            comment.save()
    assert published == [[(comment.pk, f"user {users[0].pk}", "update")]]


def test_an_error_in_a_projects_groups_does_not_fail_its_saves(published, caplog, observe) -> None:
    observer = observe(Comment, lambda row: row.nothing)
    Comment.objects.create(text="a")
    assert (published, observer.id in caplog.text) == ([], True)


# Multi-table inheritance and proxies.


def test_observers_of_a_model_and_its_proxy_receive_the_same_changes(published, observe) -> None:
    observe(Place)
    observe(NamedPlace)
    place = NamedPlace.objects.create(name="a")
    Place.objects.get(pk=place.pk).save()
    assert published == [[(place.pk, "all", action)] * 2 for action in ("create", "update")]


def test_an_observer_of_a_parent_receives_the_changes_of_its_children(published, observe) -> None:
    observe(Place)
    cafe = Cafe.objects.create(name="a")
    cafe.save()
    pk = cafe.pk
    cafe.delete()
    actions = ("create", "update", "delete")
    assert published == [[(pk, "all", action)] for action in actions]


def test_an_observer_of_a_child_receives_changes_made_through_its_parent(
    published, observe
) -> None:
    observe(Cafe)
    cafe = Cafe.objects.create(name="a")
    published.clear()
    Place.objects.get(pk=cafe.pk).save()
    NamedPlace.objects.get(pk=cafe.pk).save()
    pk = cafe.pk
    Place.objects.get(pk=pk).delete()
    actions = ("update", "update", "delete")
    assert published == [[(pk, "all", action)] for action in actions]


# Many-to-many relations.


@pytest.fixture
def related(observe):
    """A ticket and a tag, whose relations are observed."""
    ticket, tag = Ticket.objects.create(title="a"), Tag.objects.create(name="b")
    observe(Ticket, many_to_many=True)
    observe(Tag, many_to_many=True)
    return ticket, tag


@pytest.mark.parametrize("side", ["ticket", "tag"])
def test_a_relation_manager_publishes_changes_of_the_rows_at_both_ends(
    published, related, side
) -> None:
    ticket, tag = related
    both = {(ticket.pk, "all", "update"), (tag.pk, "all", "update")}
    manager, other = (ticket.tags, tag) if side == "ticket" else (tag.tickets, ticket)
    for write in (
        lambda: manager.add(other),
        lambda: manager.remove(other),
        lambda: manager.set([other]),
        manager.clear,
    ):
        write()
        assert set(published.pop()) == both
    manager.clear()
    manager.add(*[])
    manager.set([])
    assert published == []


def test_adding_a_row_that_is_already_related_publishes_nothing(published, related) -> None:
    ticket, tag = related
    ticket.tags.add(tag)
    published.clear()
    ticket.tags.add(tag)
    assert published == []


def test_deleting_a_related_row_publishes_an_update_of_the_other_end(published, related) -> None:
    ticket, tag = related
    ticket.tags.add(tag)
    published.clear()
    pk = tag.pk
    tag.delete()
    assert set(published[0]) == {(ticket.pk, "all", "update"), (pk, "all", "delete")}


def test_a_through_model_publishes_changes_of_the_related_rows(published, related, users) -> None:
    ticket = related[0]
    row = Watching.objects.create(ticket=ticket, user=users[0])
    row.delete()
    ticket.watchers.add(users[0])
    users[0].delete()
    assert published == [[(ticket.pk, "all", "update")]] * 4


def test_an_observer_without_many_to_many_receives_no_changed_relation(published, observe) -> None:
    observe(User)
    user = User.objects.create_user("ada")
    published.clear()
    user.groups.add(Group.objects.create(name="a"))
    assert published == []


# Changes that Django sends no signal for.


def test_bulk_operations_of_an_observed_queryset_publish_their_changes(published, comments) -> None:
    one, two = Comment.objects.bulk_create([Comment(text="a"), Comment(text="b")])
    Comment.objects.bulk_update([one, two], ["text"])
    Comment.objects.filter(pk=one.pk).update(text="c")
    Comment.objects.filter(text="c").delete()
    both = (one.pk, two.pk)
    assert [sorted(commit) for commit in published] == [
        [(pk, "all", "create") for pk in both],
        [(pk, "all", "update") for pk in both],
        [(one.pk, "all", "update")],
        [(one.pk, "all", "delete")],
    ]


def test_a_queryset_update_moves_rows_between_groups(published, comments_by_user, users) -> None:
    comment = Comment.objects.create(text="a", user=users[0])
    published.clear()
    Comment.objects.filter(user=users[0]).update(user=users[1])
    moved = [(f"user {users[0].pk}", "delete"), (f"user {users[1].pk}", "create")]
    assert published == [[(comment.pk, *move) for move in moved]]


async def test_async_bulk_operations_publish_their_changes(published, comments) -> None:
    await Comment.objects.abulk_create([Comment(text="a")])
    await Comment.objects.aupdate(text="b")
    assert [action for [(_pk, _group, action)] in published] == ["create", "update"]


def test_notify_changed_takes_instances_and_querysets(published, observe) -> None:
    observe(Country)
    country = Country.objects.create(code="de")
    published.clear()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE observer_country SET name = 'x'")
    notify_changed(Country.objects.all())
    notify_changed([country])
    notify_changed([country], "delete")
    notify_changed(Country.objects.all(), "create")
    actions = ("update", "update", "delete", "create")
    assert published == [[("de", "all", action)] for action in actions]


def test_notify_changed_rejects_an_unknown_action_by_name() -> None:
    with pytest.raises(ValueError, match="'drop' is not a valid Action"):
        notify_changed([], "drop")


def test_notify_changed_makes_no_query_for_a_model_without_observers(
    django_assert_num_queries,
) -> None:
    with django_assert_num_queries(0):
        notify_changed(Permission.objects.all())
