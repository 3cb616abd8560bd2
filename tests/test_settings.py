"""The dict `REST_CHANNELS` in Django's settings."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from rest_framework.permissions import AllowAny, IsAuthenticated

from rest_channels.dispatch import exception_handler
from rest_channels.parsers import JSONParser, MessagePackParser
from rest_channels.renderers import JSONRenderer
from rest_channels.settings import Setting, Settings, api_settings

NAMES = [name for name, value in vars(Settings).items() if isinstance(value, Setting)]


def test_every_setting_has_its_default_without_the_dict() -> None:
    assert api_settings.MAX_FRAME_SIZE == 64 * 1024
    assert (api_settings.INBOX_FRAMES, api_settings.INBOX_BYTES) == (1_024, 1024 * 1024)
    assert (api_settings.FRAME_RATE, api_settings.FRAME_BURST) == (100, 1_000)
    assert (api_settings.MAX_DEPTH, api_settings.MAX_NAME_LENGTH) == (64, 256)
    assert api_settings.MAX_SUBSCRIPTIONS == 128
    assert api_settings.OUTBOX_BYTES == 1024 * 1024
    assert api_settings.HANDLER_TIMEOUT == 60
    assert api_settings.ALLOWED_ORIGINS == []


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_can_be_read_without_the_dict(name) -> None:
    getattr(Settings(), name)


def test_dotted_paths_are_imported_alone_and_in_lists() -> None:
    assert api_settings.DEFAULT_TEXT_PARSER_CLASS is JSONParser
    assert api_settings.DEFAULT_TEXT_RENDERER_CLASS is JSONRenderer
    assert api_settings.DEFAULT_BYTES_PARSER_CLASS is None
    assert list(api_settings.DEFAULT_PERMISSION_CLASSES) == [AllowAny]
    assert api_settings.EXCEPTION_HANDLER is exception_handler


@pytest.mark.parametrize(
    ("settings", "guarded"),
    [
        ({}, False),
        ({"DEFAULT_PERMISSION_CLASSES": []}, False),
        ({"DEFAULT_PERMISSION_CLASSES": [IsAuthenticated]}, True),
        ({"DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"]}, True),
    ],
)
def test_whether_the_default_guards_may_refuse_is_found_again_with_other_settings(
    settings, guarded
) -> None:
    assert not api_settings.guards_by_default
    with override_settings(REST_CHANNELS=settings):
        assert api_settings.guards_by_default is guarded
    assert not api_settings.guards_by_default


def test_the_dict_may_hold_classes_instead_of_dotted_paths() -> None:
    value = {
        "DEFAULT_BYTES_PARSER_CLASS": MessagePackParser,
        "DEFAULT_PERMISSION_CLASSES": (IsAuthenticated, "rest_framework.permissions.AllowAny"),
    }
    with override_settings(REST_CHANNELS=value):
        assert api_settings.DEFAULT_BYTES_PARSER_CLASS is MessagePackParser
        assert list(api_settings.DEFAULT_PERMISSION_CLASSES) == [IsAuthenticated, AllowAny]


def test_a_changed_setting_is_read_at_once_and_forgotten_when_it_is_undone() -> None:
    with override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": 10}):
        assert api_settings.HANDLER_TIMEOUT == 10
        with override_settings(REST_CHANNELS={"HANDLER_TIMEOUT": None}):
            assert api_settings.HANDLER_TIMEOUT is None
        assert api_settings.HANDLER_TIMEOUT == 10
    assert api_settings.HANDLER_TIMEOUT == 60


def test_a_value_is_converted_once() -> None:
    with override_settings(REST_CHANNELS={"DEFAULT_PERMISSION_CLASSES": []}):
        assert api_settings.DEFAULT_PERMISSION_CLASSES is api_settings.DEFAULT_PERMISSION_CLASSES


@pytest.mark.parametrize("debug", [True, False])
def test_debug_errors_follows_debug_unless_it_is_set(debug) -> None:
    with override_settings(DEBUG=debug):
        assert api_settings.DEBUG_ERRORS is debug
        with override_settings(REST_CHANNELS={"DEBUG_ERRORS": not debug}):
            assert api_settings.DEBUG_ERRORS is not debug


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_key_raises_an_error_that_names_the_nearest_known_key(name) -> None:
    with (
        override_settings(REST_CHANNELS={name + "X": 1}),
        pytest.raises(ImproperlyConfigured, match=rf"'{name}X'\. Did you mean '{name}'\?"),
    ):
        _ = api_settings.MAX_DEPTH


@pytest.mark.parametrize(
    "key", ["qqq", "user_settings", "reload", "__class__", "__dict__", 5, None]
)
def test_a_key_that_is_not_a_setting_raises_an_error(key) -> None:
    with (
        override_settings(REST_CHANNELS={key: 1}),
        pytest.raises(ImproperlyConfigured, match="no setting"),
    ):
        _ = api_settings.MAX_DEPTH


@pytest.mark.parametrize("value", [None, [], "MAX_DEPTH", 1])
def test_a_value_that_is_not_a_dict_raises_an_error_that_names_its_type(value) -> None:
    with (
        override_settings(REST_CHANNELS=value),
        pytest.raises(ImproperlyConfigured, match=f"must be a dict, not {type(value).__name__}"),
    ):
        _ = api_settings.MAX_DEPTH


def test_a_dotted_path_that_cannot_be_imported_raises_an_error_that_names_it() -> None:
    with (
        override_settings(REST_CHANNELS={"DEFAULT_TEXT_PARSER_CLASS": "shop.parsers.Missing"}),
        pytest.raises(ImportError, match="shop"),
    ):
        _ = api_settings.DEFAULT_TEXT_PARSER_CLASS


def test_an_unknown_name_is_not_an_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = api_settings.MAX_DEPHT
