"""The exceptions and the close codes."""

import pickle

import pytest
from django.utils import translation
from rest_framework.exceptions import APIException, MethodNotAllowed, ValidationError

from rest_channels.exceptions import (
    CloseCode,
    EventNotAllowed,
    HandlerNotFound,
    HandlerTimeout,
    OutboxFull,
    ProtocolViolation,
    TooManySubscriptions,
)

TEMPORARY = {1001, 1006, 1011, 1012, 1013}


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_states_whether_the_client_should_reconnect(code) -> None:
    assert code.reconnect is (code in TEMPORARY or 4500 <= code <= 4599)


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_is_from_rfc_6455_or_corresponds_to_an_http_status(code) -> None:
    assert 1000 <= code <= 1015 or 4400 <= code <= 4599


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4404, 4429])
def test_close_codes_of_client_errors_forbid_reconnecting(code) -> None:
    assert all(not known.reconnect for known in CloseCode if known == code)
    assert 4400 <= code <= 4499


def test_a_slow_client_reconnects_and_a_flooding_client_does_not() -> None:
    assert CloseCode.TOO_SLOW.reconnect
    assert not CloseCode.FLOOD.reconnect
    assert not CloseCode.MESSAGE_TOO_BIG.reconnect
    assert not CloseCode.NORMAL.reconnect


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 4400), (401, 4401), (403, 4403), (404, 4404), (429, 4529), (500, 4500), (503, 4503)],
)
def test_an_error_status_becomes_4000_plus_itself_but_429_becomes_4529(status, code) -> None:
    assert CloseCode.for_status(status) == code


@pytest.mark.parametrize("status", [0, -1, 200, 204, 302, 399, 600, 1000, 4404])
def test_any_other_status_becomes_connect_failed(status) -> None:
    assert CloseCode.for_status(status) == CloseCode.CONNECT_FAILED == 4500


@pytest.mark.parametrize("status", range(400, 600))
def test_an_application_may_send_the_close_code_of_every_error_status(status) -> None:
    assert 4000 <= CloseCode.for_status(status) <= 4999


def test_handler_not_found_is_a_405_that_names_the_handler() -> None:
    error = HandlerNotFound("fly")
    assert isinstance(error, MethodNotAllowed)
    assert (error.status_code, str(error.detail)) == (405, 'Method "fly" not allowed.')
    assert str(HandlerNotFound("fly", "No wings.").detail) == "No wings."


@pytest.mark.parametrize("name", ["x" * 10_000, ["x" * 10_000], {"a": "x" * 10_000}])
def test_handler_not_found_does_not_repeat_a_long_name_in_full(name) -> None:
    assert len(HandlerNotFound(name).detail) < 100


def test_event_not_allowed_is_a_405_that_names_the_event() -> None:
    error = EventNotAllowed("receive")
    assert isinstance(error, HandlerNotFound)
    assert error.status_code == 405
    assert str(error.detail) == 'Method "receive" not allowed.'


def test_handler_timeout_is_a_504_in_the_active_language() -> None:
    error = HandlerTimeout()
    assert isinstance(error, APIException)
    assert (error.status_code, error.default_code) == (504, "timeout")
    with translation.override("de"):
        assert HandlerTimeout().detail.code == "timeout"


def test_too_many_subscriptions_is_a_400_that_names_the_limit() -> None:
    error = TooManySubscriptions(128)
    assert isinstance(error, ValidationError)
    assert error.status_code == 400
    assert error.detail == ["A connection may hold at most 128 subscriptions."]


def test_a_protocol_violation_has_a_close_code_and_a_reason() -> None:
    error = ProtocolViolation(CloseCode.FLOOD, "Too much.")
    assert (error.code, error.reason) == (4429, "Too much.")
    assert str(error) == "Too much. (close code 4429)"
    assert not isinstance(error, APIException)


def test_outbox_full_is_an_error_of_the_handler_and_not_an_api_exception() -> None:
    assert issubclass(OutboxFull, RuntimeError)
    assert not issubclass(OutboxFull, APIException)


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_works_as_a_number_in_json_pickle_and_text(code) -> None:
    assert pickle.loads(pickle.dumps(code)) is code
    assert f"{code:d}" == str(int(code))
