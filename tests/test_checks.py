"""What `manage.py check` finds."""

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.test import override_settings


def found(**kwargs) -> list[str]:
    messages = run_checks(**kwargs)
    return [message.id for message in messages if (message.id or "").startswith("rest_channels")]


def test_a_sound_project_is_told_nothing() -> None:
    assert found() == found(include_deployment_checks=True) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"HANDLER_TIMEOT": 1}, "Did you mean 'HANDLER_TIMEOUT'?"),
        ({"EXCEPTION_HANDLER": "no.such.handler"}, "No module named 'no'"),
        ([], "must be a dict"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_which(settings, words) -> None:
    with override_settings(REST_CHANNELS=settings):
        (message,) = run_checks()
    assert message.id == "rest_channels.E001"
    assert words in message.msg


def test_daphne_cannot_bound_the_outbox(monkeypatch) -> None:
    monkeypatch.setattr(apps, "is_installed", {"daphne"}.__contains__)
    assert found() == []
    assert found(include_deployment_checks=True) == ["rest_channels.W001"]


@override_settings(REST_CHANNELS={"DEBUG_ERRORS": True})
def test_tracebacks_for_clients_are_not_for_deployment() -> None:
    assert found() == []
    assert found(include_deployment_checks=True) == ["rest_channels.W002"]
