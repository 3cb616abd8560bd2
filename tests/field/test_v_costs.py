"""What a heartbeat costs where the project itself decides who may stay logged in."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.test import Client
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Profile

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
