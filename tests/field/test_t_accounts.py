"""An error in the project's rules for one user says nothing about the other users."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.urls import path
from rest_framework.authentication import TokenAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.engine import related_rows
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Profile

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class Describe(SocketConsumer):
    """Answers with attributes of its user."""

    async def receive_json(self, content):
        self.send_json([getattr(self.scope["user"], name, None) for name in content])


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def eve():
    return User.objects.create_user("eve", password="secret")


async def connect(user):
    client = Client()
    await sync_to_async(client.force_login)(user)
    cookie = ("cookie", f"sessionid={client.session.session_key}")
    return SocketCommunicator(SocketApplication([path("", Describe.as_asgi())]), headers=[cookie])


class Allowing(ModelBackend):
    """Raises an error for users without a profile."""

    def user_can_authenticate(self, user):
        return user.profile.theme != "dark"


class Finding(ModelBackend):
    """Raises the error earlier."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        user.theme = user.profile.theme
        return user


@pytest.mark.parametrize("backend", [Allowing, Finding])
async def test_a_user_whose_backend_raises_an_error_keeps_no_other_connected(
    ada, eve, backend, settings, caplog
) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend.__name__}"]
    await Profile.objects.abulk_create([Profile(user=ada), Profile(user=eve)])
    async with await connect(ada) as ada_socket, await connect(eve) as eve_socket:
        await Profile.objects.filter(user=eve).adelete()
        await User.objects.filter(pk=ada.pk).aupdate(password="")
        await check_accounts(current_hub())
        await ada_socket.expect_close(4441)
        await eve_socket.expect_nothing()
    assert f"Cannot check User {eve.pk}" in caplog.text


async def test_a_user_whose_related_rows_cannot_be_read_keeps_the_others_current(
    ada, eve, monkeypatch
) -> None:
    await Profile.objects.abulk_create([Profile(user=ada), Profile(user=eve)])
    users = {user.username: user async for user in User.objects.select_related("profile")}
    prefetch = related_rows.prefetch_related_objects

    def fail_for_eve(rows, *lookups):
        if any(row.username == "eve" for row in rows):
            raise TypeError
        prefetch(rows, *lookups)

    monkeypatch.setattr(related_rows, "prefetch_related_objects", fail_for_eve)
    app = Describe.as_asgi()
    async with (
        SocketCommunicator(app, user=users["eve"]) as eve_socket,
        SocketCommunicator(app, user=users["ada"]) as ada_socket,
    ):
        await User.objects.aupdate(first_name="New")
        await check_accounts(current_hub())
        for socket, name in ((ada_socket, "ada"), (eve_socket, "eve")):
            await socket.send_json(["username", "first_name"])
            await socket.expect_event([name, "New"])


class Remembering(ModelBackend):
    """Finds its user once, because Django makes a backend for each request."""

    def get_user(self, user_id):
        if "user" not in vars(self):
            self.user = super().get_user(user_id)
            self.user.tenant = f"of {self.user.username}"
        return self.user


async def test_a_backend_is_made_for_each_user(ada, eve, settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Remembering"]
    async with await connect(ada) as ada_socket, await connect(eve) as eve_socket:
        await User.objects.aupdate(first_name="New")
        await check_accounts(current_hub())
        for socket, name in ((ada_socket, "ada"), (eve_socket, "eve")):
            await socket.send_json(["username", "tenant"])
            await socket.expect_event([name, f"of {name}"])


class Using(TokenAuthentication):
    """Saves when its token, the profile of a user, was used last, and when the user came."""

    counted = 0

    def authenticate_credentials(self, key):
        Using.counted += 1
        profile, other = (Profile.objects.select_related("user").get() for _ in range(2))
        other.theme = str(self.counted)
        other.save()
        other.user.first_name = str(self.counted)
        other.user.save()
        return profile.user, profile


async def test_what_an_authenticator_saves_each_time_does_not_let_it_be_asked_for_ever(ada) -> None:
    class Consumer(AsyncAPIConsumer):
        authentication_classes = [Using]

    await Profile.objects.acreate(user=ada)
    header = ("authorization", "Token 1")
    async with SocketCommunicator(Consumer.as_asgi(), headers=[header]) as socket:
        await check_accounts(current_hub())
        before = Using.counted
        await Profile.objects.aupdate(theme="new")
        await check_accounts(current_hub())
        await socket.expect_nothing()
        assert Using.counted == before + 1


class ByProfile(TokenAuthentication):
    """The key is that of a profile, which is the token."""

    def authenticate_credentials(self, key):
        profile = Profile.objects.select_related("user").get(pk=key)
        return profile.user, profile


async def test_a_token_that_cannot_be_made_again_keeps_no_other_connected(
    ada, eve, monkeypatch
) -> None:
    class Consumer(AsyncAPIConsumer):
        authentication_classes = [ByProfile]

    def connect(profile):
        header = ("authorization", f"Token {profile.pk}")
        return SocketCommunicator(Consumer.as_asgi(), headers=[header])

    profiles = [await Profile.objects.acreate(user=user) for user in (ada, eve)]
    async with connect(profiles[0]) as first, connect(profiles[1]) as second:
        monkeypatch.setattr(Profile, "from_db", None)
        await Profile.objects.filter(user=ada).aupdate(theme="dark")
        await sync_to_async(Profile.objects.filter(user=eve)._raw_delete)("default")
        await check_accounts(current_hub())
        await second.expect_close(4401)
        await first.expect_nothing()
