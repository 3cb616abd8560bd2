"""Errors and close codes, as data."""

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

PASSING = {1001, 1006, 1011, 1012, 1013}


@pytest.mark.parametrize("code", CloseCode)
def test_the_number_alone_says_whether_to_come_back(code) -> None:
    assert code.reconnect is (code in PASSING or 4500 <= code <= 4599)


@pytest.mark.parametrize("code", CloseCode)
def test_every_code_is_rfc_6455s_or_mirrors_an_http_status(code) -> None:
    assert 1000 <= code <= 1015 or 4400 <= code <= 4599


@pytest.mark.parametrize("code", [4400, 4401, 4403, 4404, 4429])
def test_who_has_to_change_something_first_does_not_come_back(code) -> None:
    assert all(not known.reconnect for known in CloseCode if known == code)
    assert 4400 <= code <= 4499


def test_who_was_too_slow_comes_back_and_who_flooded_does_not() -> None:
    assert CloseCode.TOO_SLOW.reconnect
    assert not CloseCode.FLOOD.reconnect
    assert not CloseCode.MESSAGE_TOO_BIG.reconnect
    assert not CloseCode.NORMAL.reconnect


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 4400), (401, 4401), (403, 4403), (404, 4404), (429, 4529), (500, 4500), (503, 4503)],
)
def test_a_refused_status_becomes_4000_and_itself_but_too_many_may_come_again(status, code) -> None:
    assert CloseCode.for_status(status) == code


@pytest.mark.parametrize("status", [0, -1, 200, 204, 302, 399, 600, 1000, 4404])
def test_a_status_that_refuses_nothing_becomes_a_failed_connect(status) -> None:
    assert CloseCode.for_status(status) == CloseCode.CONNECT_FAILED == 4500


@pytest.mark.parametrize("status", range(400, 600))
def test_every_code_of_a_status_may_be_sent_by_an_application(status) -> None:
    assert 4000 <= CloseCode.for_status(status) <= 4999


def test_a_missing_handler_is_405_and_names_what_was_asked_for() -> None:
    error = HandlerNotFound("fly")
    assert isinstance(error, MethodNotAllowed)
    assert (error.status_code, str(error.detail)) == (405, 'Method "fly" not allowed.')
    assert str(HandlerNotFound("fly", "No wings.").detail) == "No wings."


@pytest.mark.parametrize("name", ["x" * 10_000, ["x" * 10_000], {"a": "x" * 10_000}])
def test_a_missing_handlers_name_is_not_echoed_at_any_length(name) -> None:
    assert len(HandlerNotFound(name).detail) < 100


def test_a_view_without_the_event_is_405_too() -> None:
    error = EventNotAllowed("receive")
    assert isinstance(error, HandlerNotFound)
    assert error.status_code == 405
    assert str(error.detail) == 'Method "receive" not allowed.'


def test_a_timeout_is_504_in_the_language_that_is_active() -> None:
    error = HandlerTimeout()
    assert isinstance(error, APIException)
    assert (error.status_code, error.default_code) == (504, "timeout")
    with translation.override("de"):
        assert HandlerTimeout().detail.code == "timeout"


def test_a_full_ledger_is_400_with_a_list_that_says_the_limit() -> None:
    error = TooManySubscriptions(128)
    assert isinstance(error, ValidationError)
    assert error.status_code == 400
    assert error.detail == ["A connection may hold at most 128 subscriptions."]


def test_a_violation_carries_its_code_and_its_reason() -> None:
    error = ProtocolViolation(CloseCode.FLOOD, "Too much.")
    assert (error.code, error.reason) == (4429, "Too much.")
    assert str(error) == "Too much. (close code 4429)"
    assert not isinstance(error, APIException)


def test_a_full_outbox_is_a_mistake_of_the_handler_and_no_refusal() -> None:
    assert issubclass(OutboxFull, RuntimeError)
    assert not issubclass(OutboxFull, APIException)


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_is_a_number_for_json_for_pickle_and_for_text(code) -> None:
    assert pickle.loads(pickle.dumps(code)) is code
    assert f"{code:d}" == str(int(code))
