"""The related rows, and what is computed from them, are those of the user's next HTTP request."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import Prefetch
from django.utils.functional import cached_property

from rest_channels.consumers import SocketConsumer
from rest_channels.engine import row_signals
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.engine.row_signals import is_watched
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.observer.models import Comment, Profile, Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    ada = User.objects.create_user("ada")
    Profile.objects.create(user=ada, tag=Tag.objects.create(name="red"))
    ada.groups.add(Group.objects.create(name="editors"))
    return User.objects.get()


def read_path(user, path):
    """Return what `path` names, such as "profile.theme"; for a relation to many rows all keys."""
    for name in path.split("."):
        user = getattr(user, name, None)
    return [row.pk for row in user.all()] if hasattr(user, "all") else user


class InThread(SocketView):
    """Answers with what the path of the frame names."""

    def receive(self, request):
        self.send_json(read_path(request.user, request.data))


class OnLoop(SocketView):
    """Answers the same without a thread, so that nothing may be queried."""

    async def receive(self, request):
        self.send_json(read_path(request.user, request.data))


async def expect(socket, path, value):
    await socket.send_json(path)
    assert await socket.receive_json() == value


async def signalled(rows, **columns):
    """Save these columns of the one row."""
    row = await rows.aget()
    for name, value in columns.items():
        setattr(row, name, value)
    await row.asave()


async def unsignalled(rows, **columns):
    await rows.aupdate(**columns)
    await check_accounts(current_hub())


changes = pytest.mark.parametrize("change", [signalled, unsignalled])


@changes
async def test_a_row_of_the_user_that_a_handler_has_read_is_current(ada, change) -> None:
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "profile.theme", "light")
        await change(Profile.objects.all(), theme="dark")
        await expect(socket, "profile.theme", "dark")


@changes
async def test_a_row_that_was_loaded_with_the_user_is_current_without_a_query(ada, change) -> None:
    own = await User.objects.select_related("profile").aget()
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await change(Profile.objects.all(), theme="dark")
        await expect(socket, "profile.theme", "dark")


@changes
async def test_a_row_of_a_related_row_is_current(ada, change) -> None:
    own = await User.objects.select_related("profile__tag").aget()
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await change(Tag.objects.all(), name="blue")
        await expect(socket, "profile.tag.name", "blue")


@changes
async def test_a_row_that_was_loaded_stays_loaded_when_the_user_changes(ada, change) -> None:
    own = await User.objects.select_related("profile__tag").prefetch_related("groups").aget()
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await change(User.objects.all(), first_name="Augusta")
        await expect(socket, "first_name", "Augusta")
        await expect(socket, "profile.tag.name", "red")
        await expect(socket, "groups", [(await Group.objects.aget()).pk])


async def test_the_user_of_a_related_row_is_the_current_user(ada) -> None:
    own = await User.objects.select_related("profile").aget()
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await signalled(User.objects.all(), first_name="Augusta")
        await expect(socket, "profile.user.first_name", "Augusta")


async def test_a_related_row_that_was_missing_is_found_once_it_is_created(ada) -> None:
    await Profile.objects.all().adelete()
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "profile.theme", None)
        await Profile.objects.acreate(user=ada, theme="new")
        await expect(socket, "profile.theme", "new")
        await (await Profile.objects.aget()).adelete()
        await expect(socket, "profile.theme", None)


async def test_groups_that_were_loaded_follow_what_is_added_and_removed(ada) -> None:
    own = await User.objects.prefetch_related("groups").aget()
    editors = await Group.objects.aget()
    admins = await Group.objects.acreate(name="admins")
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await admins.user_set.aadd(ada)
        await expect(socket, "groups", [editors.pk, admins.pk])
        await ada.groups.aremove(editors)
        await expect(socket, "groups", [admins.pk])
        await admins.user_set.aclear()
        await expect(socket, "groups", [])


async def test_rows_that_were_loaded_with_a_filter_keep_it(ada) -> None:
    texts = Prefetch("comments", Comment.objects.exclude(text="hidden"))
    own = await User.objects.prefetch_related(texts).aget()
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        seen = await Comment.objects.acreate(user=ada, text="seen")
        await Comment.objects.acreate(user=ada, text="hidden")
        await expect(socket, "comments", [seen.pk])
        await seen.adelete()
        await check_accounts(current_hub())
        await expect(socket, "comments", [])


@pytest.fixture
def computed(monkeypatch):
    """Give users an attribute that is computed once from their groups and permissions."""

    @cached_property
    def rights(self):
        found = Permission.objects.filter(group__in=self.groups.all())
        return [sorted(each.name for each in self.groups.all()), found.count()]

    rights.__set_name__(User, "rights")
    monkeypatch.setattr(User, "rights", rights, raising=False)


async def test_a_cached_property_is_computed_again_after_a_signalled_change(ada, computed) -> None:
    editors, permission = await Group.objects.aget(), await Permission.objects.afirst()
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "rights", [["editors"], 0])
        await editors.permissions.aadd(permission)
        await expect(socket, "rights", [["editors"], 1])
        editors.name = "authors"
        await editors.asave()
        await expect(socket, "rights", [["authors"], 1])
        await ada.groups.aclear()
        await expect(socket, "rights", [[], 0])


async def test_a_cached_property_is_computed_again_at_the_heartbeat(ada, computed) -> None:
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "rights", [["editors"], 0])
        await unsignalled(Group.objects.all(), name="authors")
        await expect(socket, "rights", [["authors"], 0])


async def test_a_cached_property_that_was_computed_needs_no_query_afterwards(ada, computed) -> None:
    own = await User.objects.prefetch_related("groups").aget()
    own.rights = [["none"], 9]  # as if a middleware had computed it
    async with SocketCommunicator(OnLoop.as_asgi(), user=own) as socket:
        await signalled(User.objects.all(), first_name="Augusta")
        await expect(socket, "rights", [["editors"], 0])


async def test_a_cached_property_that_raises_an_error_is_left_to_the_handler(
    ada, computed, caplog
) -> None:
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "rights", [["editors"], 0])
        User.rights.func = lambda user: user.profile.nothing
        await signalled(User.objects.all(), first_name="Augusta")
        await expect(socket, "first_name", "Augusta")
        await expect(socket, "rights", None)


async def test_what_a_handler_sets_while_the_user_is_read_again_is_kept(
    ada, computed, gate
) -> None:
    class Setting(SocketConsumer):
        async def receive_json(self, content):
            if content == "set":
                self.scope["user"].tenant = "north"
                gate.opened.set()
            self.send_json([self.scope["user"].first_name, self.scope["user"].tenant])

    ada.tenant, ada.rights = "south", []
    User.rights.func = lambda user: gate.pass_through()
    async with SocketCommunicator(Setting.as_asgi(), user=ada) as socket:
        await User.objects.aupdate(first_name="Augusta")
        heartbeat = asyncio.create_task(check_accounts(current_hub()))
        await asyncio.to_thread(gate.reached.wait, 5)
        await expect(socket, "set", ["", "north"])
        await heartbeat
        await expect(socket, "show", ["Augusta", "north"])


async def test_a_hundred_frames_that_use_a_related_row_cost_no_query(ada, queries) -> None:
    async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
        await expect(socket, "profile.theme", "light")
        await signalled(Profile.objects.all(), theme="dark")
        await expect(socket, "profile.theme", "dark")
        queries.clear()
        for _ in range(100):
            await expect(socket, "profile.theme", "dark")
        assert queries == []


async def test_related_rows_of_many_users_are_read_in_one_query(ada, queries) -> None:
    grace = await User.objects.acreate_user("grace")
    await Profile.objects.acreate(user=grace)
    one, two = [each async for each in User.objects.select_related("profile")]
    first = SocketCommunicator(OnLoop.as_asgi(), user=one)
    async with first, SocketCommunicator(OnLoop.as_asgi(), user=two):
        queries.clear()
        await check_accounts(current_hub())
        assert len([sql for sql in queries if "observer_profile" in sql]) == 1


@changes
async def test_the_user_of_a_token_that_a_middleware_has_set_is_current(ada, change) -> None:
    class Text(SocketConsumer):
        async def receive_json(self, content):
            self.send_json(read_path(self.scope["auth"], content))

    await Comment.objects.acreate(user=ada, text="token")
    token = await Comment.objects.select_related("user__profile").aget()
    socket = SocketCommunicator(Text.as_asgi(), user=token.user)
    socket.scope["auth"] = token
    async with socket:
        await change(User.objects.all(), first_name="Augusta")
        await expect(socket, "user.first_name", "Augusta")
        await change(Profile.objects.all(), theme="dark")
        await expect(socket, "user.profile.theme", "dark")
        await change(Comment.objects.all(), text="other")
        await expect(socket, "text", "other")
        await expect(socket, "user.first_name", "Augusta")


async def test_only_other_users_that_are_loaded_are_watched(ada, monkeypatch) -> None:
    """Every login saves a user, and must not let each process look at all of its connections."""
    monkeypatch.setattr(row_signals, "_watched", set())  # other tests have other users
    await Comment.objects.acreate(user=ada, text="token")
    token = await Comment.objects.select_related("user__profile").aget()
    own = await User.objects.select_related("profile").aget()
    own.profile.user  # noqa: B018 - refers back to the user
    socket = SocketCommunicator(OnLoop.as_asgi(), user=own)
    socket.scope["auth"] = token
    async with socket:
        await check_accounts(current_hub())
        assert is_watched(Profile, "related")
        assert not is_watched(User, "related")
