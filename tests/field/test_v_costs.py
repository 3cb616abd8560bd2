"""What a heartbeat costs where the project itself decides who may stay logged in."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.engine import loaded_rows
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import RevocationIndex, check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment, Profile, Tag

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)

app = SocketApplication([path("", SocketConsumer.as_asgi())])


class Finding(ModelBackend):
    """Looks its user up in a table of its own."""

    def get_user(self, user_id):
        return Profile.objects.select_related("user").get(user=user_id).user


class Allowing(ModelBackend):
    def user_can_authenticate(self, user):
        return Profile.objects.filter(user=user, theme="light").exists()


def is_active(user):
    return Profile.objects.filter(user=user.pk, theme="light").exists()


@pytest.fixture(params=[Finding, Allowing, "is_active"])
def rule(request, settings, monkeypatch):
    """What of the project queries whether a user may stay."""
    if request.param == "is_active":
        monkeypatch.setattr(User, "is_active", property(is_active, lambda user, value: None))
        return
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{request.param.__name__}"]


@sync_to_async
def connect(user):
    client = Client()
    client.force_login(user)
    cookie = ("cookie", f"sessionid={client.session.session_key}")
    return SocketCommunicator(app, headers=[cookie])


def profiles_read(queries):
    """Return how many profiles were read, each with a query of its own."""
    return sum("profile" in each and " IN (" not in each for each in queries)


async def make(name):
    user = await User.objects.acreate(username=name)
    await Profile.objects.acreate(user=user)
    return user


async def test_a_heartbeat_asks_for_each_user_once_however_many_sockets_it_has(
    rule, queries
) -> None:
    ada, eve = await make("ada"), await make("eve")
    async with (
        await connect(ada),
        await connect(ada),
        await connect(eve),
    ):
        await check_accounts(current_hub())
        queries.clear()
        await check_accounts(current_hub())
        assert profiles_read(queries) == 2


class Theme(SocketConsumer):
    """Answers with the theme of the user's profile, which a frame may load."""

    async def receive_json(self, content):
        user = self.scope["user"]
        if content == "load":
            user.profile = await Profile.objects.aget(user=user)
        await self.send_json(user.profile.theme)


async def test_a_row_that_is_saved_is_looked_for_without_a_walk_through_loaded_lists(
    monkeypatch,
) -> None:
    ada = await make("ada")
    comment = await Comment.objects.acreate(text="old", user=ada)
    user = await User.objects.prefetch_related("comments").aget()
    async with SocketCommunicator(Theme.as_asgi(), user=user):
        monkeypatch.setattr(loaded_rows, "_loaded", None)
        index = current_hub().get_component(RevocationIndex)
        assert index.users_with("observer.comment", [str(comment.pk)]) == {str(ada.pk)}
        assert index.users_with("observer.comment", ["0"]) == set()


async def test_a_row_that_a_handler_loads_later_is_current_at_the_next_event() -> None:
    ada, tag = await make("ada"), await Tag.objects.acreate(name="old")
    await Profile.objects.filter(user=ada).aupdate(tag=tag)
    user = await User.objects.aget()
    other = await User.objects.select_related("profile__tag").aget()
    app = Theme.as_asgi()
    async with (
        SocketCommunicator(app, user=user) as socket,
        SocketCommunicator(app, user=other),
    ):
        await socket.send_json("load")
        await socket.expect_event("light")
        index = current_hub().get_component(RevocationIndex)
        assert index.users_with("observer.tag", [str(tag.pk)]) == {str(ada.pk)}
        profile = await Profile.objects.aget()
        profile.theme = "dark"
        await profile.asave()
        await socket.send_json("look")
        await socket.expect_event("dark")


async def test_a_row_is_found_in_what_was_loaded_since_the_handshake() -> None:
    ada = await make("ada")
    profile = await Profile.objects.aget()
    user = await User.objects.aget()
    async with SocketCommunicator(Theme.as_asgi(), user=user):
        index = current_hub().get_component(RevocationIndex)
        assert index.users_with("observer.profile", [str(profile.pk)]) == set()
        user.profile = profile
        assert index.users_with("observer.profile", [str(profile.pk)]) == {str(ada.pk)}
