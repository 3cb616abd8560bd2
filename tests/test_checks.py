"""The messages of `manage.py check`."""

import sys

import pytest
from django.apps import apps
from django.core.checks import WARNING, run_checks
from django.test import override_settings
from websockets import http11

from rest_channels import checks
from tests.brokers import LAYERS, layers


def found(**kwargs) -> list[str]:
    messages = run_checks(**kwargs)
    return [message.id for message in messages if (message.id or "").startswith("rest_channels")]


@pytest.fixture(autouse=True)
def reaching_layer():
    """Configure a layer that reaches other processes. No test connects to it."""
    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], "redis://localhost:1")):
        yield


@pytest.fixture(autouse=True)
def long_handshakes(monkeypatch):
    """As in the environment of a server that docs/deployment.md describes."""
    monkeypatch.setattr(http11, "MAX_LINE_LENGTH", 1_048_576)
    monkeypatch.setattr(http11, "MAX_NUM_HEADERS", 100_000)


def test_a_correct_project_gets_no_messages() -> None:
    assert found() == found(include_deployment_checks=True) == []


@pytest.mark.parametrize(
    "setting", [{}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}]
)
def test_all_checks_warn_about_a_layer_that_reaches_no_other_process(setting) -> None:
    with override_settings(CHANNEL_LAYERS=setting):
        assert found() == ["rest_channels.W003"]
        assert found(include_deployment_checks=True) == ["rest_channels.W003"]


@pytest.mark.parametrize("backend", ["no.such.Layer", "channels_redis.core.Misspelt", "nothing"])
def test_a_layer_that_cannot_be_imported_is_an_error(backend) -> None:
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": backend}}):
        assert found(include_deployment_checks=True) == ["rest_channels.E002"]


@pytest.mark.parametrize(
    ("settings", "error_text"),
    [
        ({"HANDLER_TIMEOT": 1}, "Did you mean 'HANDLER_TIMEOUT'?"),
        ({"EXCEPTION_HANDLER": "no.such.handler"}, "No module named 'no'"),
        ([], "must be a dict"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(settings, error_text) -> None:
    with override_settings(REST_CHANNELS=settings):
        (message,) = (each for each in run_checks() if each.id.startswith("rest_channels"))
    assert message.id == "rest_channels.E001"
    assert error_text in message.msg


@pytest.mark.parametrize(
    ("history", "layer", "error_text"),
    [
        ("redis", {"BACKEND": "channels.layers.InMemoryChannelLayer"}, "set CHANNEL_LAYERS"),
        ("memory", layers(LAYERS[1], "redis://localhost:1")["default"], "write 'database'"),
        ("mongodb", {"BACKEND": "channels.layers.InMemoryChannelLayer"}, "must be 'redis', "),
    ],
)
def test_a_history_that_the_layer_does_not_allow_is_an_error(history, layer, error_text) -> None:
    changed = {"REST_CHANNELS": {"HISTORY": history}, "CHANNEL_LAYERS": {"default": layer}}
    with override_settings(**changed, SILENCED_SYSTEM_CHECKS=["rest_channels.W003"]):
        messages = [each for each in run_checks() if not each.is_silenced()]
    assert [message.id for message in messages] in (["rest_channels.E013"], ["rest_channels.E001"])
    assert error_text in messages[0].msg


def test_a_history_in_the_database_needs_its_app(monkeypatch) -> None:
    with override_settings(REST_CHANNELS={"HISTORY": "database"}):
        assert found() == []
        monkeypatch.setattr(apps, "is_installed", {"rest_channels"}.__contains__)
        assert "rest_channels.E013" in found()


def test_deployment_checks_warn_that_daphne_cannot_bound_the_outbox(monkeypatch) -> None:
    monkeypatch.setattr(apps, "is_installed", {"daphne"}.__contains__)
    assert found() == []
    assert found(include_deployment_checks=True) == ["rest_channels.W001"]


@pytest.mark.parametrize(("name", "value"), [("MAX_LINE_LENGTH", 8_192), ("MAX_NUM_HEADERS", 128)])
def test_deployment_checks_tell_that_uvicorn_leaves_handshakes_without_an_answer(
    name, value, monkeypatch
) -> None:
    monkeypatch.setattr(http11, name, value)
    assert found() == []
    (message,) = checks.check_handshakes(None)
    assert found(include_deployment_checks=True) == [message.id] == ["rest_channels.I001"]
    assert str(value) in message.msg
    assert f"WEBSOCKETS_{name}=" in message.hint
    assert message.level < WARNING  # `check --deploy --fail-level WARNING` passes


def test_a_limit_of_websockets_that_is_no_number_breaks_no_check(monkeypatch) -> None:
    class Refusing:
        """Fails as `import websockets` does if a limit in its environment is no number."""

        def find_spec(self, name, *args):
            if name == "websockets.http11":
                raise ValueError("invalid literal for int()")

    monkeypatch.delitem(sys.modules, "websockets.http11")
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    assert checks.check_handshakes(None) == []


@pytest.mark.parametrize("module", ["uvicorn.protocols.websockets", "websockets.http11"])
def test_deployment_checks_tell_nothing_about_uvicorn_without_it(module, monkeypatch) -> None:
    monkeypatch.setattr(http11, "MAX_LINE_LENGTH", 8_192)
    monkeypatch.setitem(sys.modules, module, None)
    assert found(include_deployment_checks=True) == []


@override_settings(REST_CHANNELS={"DEBUG_ERRORS": True})
def test_deployment_checks_warn_about_tracebacks_for_clients() -> None:
    assert found() == []
    assert found(include_deployment_checks=True) == ["rest_channels.W002"]
