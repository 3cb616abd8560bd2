"""Situations of new users: warnings about names that are none of theirs to change."""

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import path

from rest_channels.consumers import ModelConsumer
from rest_channels.observer import model_observer
from rest_channels.routing import SocketApplication
from rest_channels.routing.application import first_use
from tests import asgi
from tests.brokers import LAYERS, layers


@pytest.fixture
def messages(monkeypatch):
    """`messages(routes)` returns what the checks say about a project with these routes."""

    def check(routes):
        monkeypatch.setattr(asgi, "application", SocketApplication(routes))
        monkeypatch.setattr(first_use, "application", None)
        with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], "redis://localhost:1")):
            return [each for each in run_checks() if each.id.startswith("rest_channels")]

    return check


def test_an_observer_may_have_a_name_that_is_nearly_that_of_an_action(messages) -> None:
    class Users(ModelConsumer):
        queryset = User.objects.all()
        updates = model_observer(User)

        @model_observer(User)
        async def watch(self, message, **kwargs): ...

    assert messages([path("x/", Users.as_asgi())]) == []


@pytest.mark.parametrize("name", ["last", "batch", "match", "lose", "least"])
def test_a_word_of_few_letters_is_no_typo(messages, name) -> None:
    consumer = type("Own", (ModelConsumer,), {name: lambda self: None, "__module__": __name__})
    assert messages([path("x/", consumer.as_asgi())]) == []
