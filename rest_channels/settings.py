"""`REST_CHANNELS`: one dict in Django's settings, read when asked, forgotten when it changes.

    REST_CHANNELS = {"HANDLER_TIMEOUT": 10, "MAX_THREADS": 64}

    from rest_channels.settings import api_settings
    api_settings.HANDLER_TIMEOUT        # 10

An unknown key is an error that names the nearest known one. `None` switches a bound off.
"""

import difflib
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Generic, TypeVar, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

__all__ = ["Settings", "api_settings"]

NAME = "REST_CHANNELS"

T = TypeVar("T")


class Setting(Generic[T]):
    """One key of the dict. The value is resolved at the first access and kept by the instance."""

    def __init__(self, default: T, load: Callable[[Any], Any] | None = None) -> None:
        self.default = default
        self.load = load

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: "Settings", owner: type) -> T: ...
    def __get__(self, instance: "Settings | None", owner: type) -> "Setting[T] | T":
        if instance is None:
            return self
        value = instance.given().get(self.name, self.default)
        if self.load is not None:
            value = self.load(value)
        instance.__dict__[self.name] = value
        return value  # type: ignore[no-any-return]


def _import(value: Any) -> Any:
    """A dotted path, or a list of them, becomes what it names; anything else stays as it is."""
    if isinstance(value, str):
        return import_string(value)
    if isinstance(value, list | tuple):
        return [_import(item) for item in value]
    return value


def _follow_debug(value: bool | None) -> bool:
    return bool(django_settings.DEBUG) if value is None else value


def _networks(value: Any) -> list[IPv4Network | IPv6Network | str]:
    """Addresses and networks (`10.0.0.0/8`) as networks; `"unix"` stays what it is."""
    if not isinstance(value, list | tuple):
        raise ImproperlyConfigured(f"TRUSTED_PROXIES is a list, not {value!r}.")
    try:
        return [item if item == "unix" else ip_network(item) for item in map(str, value)]
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}.") from error


class Settings:
    """Every setting with its default. Sizes are bytes, times are seconds."""

    # What a client may do. Beyond the first four it is closed, beyond the others refused.
    MAX_FRAME_SIZE = Setting[int | None](64 * 1024)
    INBOX_FRAMES = Setting(1_024)
    INBOX_BYTES = Setting(1024 * 1024)
    FRAME_RATE = Setting[float | None](100.0)
    FRAME_BURST = Setting(1_000)
    MAX_DEPTH = Setting(64)
    MAX_NAME_LENGTH = Setting(256)
    MAX_SUBSCRIPTIONS = Setting(128)
    MAX_DETACHED = Setting(16)

    # What the server keeps for it.
    OUTBOX_BYTES = Setting(1024 * 1024)
    HANDLER_TIMEOUT = Setting[float | None](60.0)
    MAX_THREADS = Setting(32)
    THREAD_SENSITIVE = Setting(default=False)

    BEAT = Setting[float | None](15.0)

    # Who may come.
    ALLOWED_ORIGINS = Setting[list[str]]([])
    TRUSTED_PROXIES = Setting[list[Any]]([], _networks)
    SESSION_KEY_IN_URL = Setting(default=False)  # URLs are logged, and so the keys would be
    DEFAULT_PERMISSION_CLASSES = Setting[list[Any]](
        ["rest_framework.permissions.AllowAny"], _import
    )
    DEFAULT_THROTTLE_CLASSES = Setting[list[Any]]([], _import)
    DEFAULT_AUTHENTICATION_CLASSES = Setting[list[Any]]([], _import)
    REAUTHENTICATE_WITHIN = Setting[float | None](10.0)
    REFUSE_AFTER_ACCEPTING = Setting(default=False)

    # How lists are parted.
    DEFAULT_PAGINATION_CLASS = Setting[Any](None, _import)
    DEFAULT_PAGE_SIZE = Setting(25)
    PAGE_SIZE = Setting[int | None](None)

    # What travels.
    DEFAULT_TEXT_PARSER_CLASS = Setting[Any]("rest_channels.parsers.JSONParser", _import)
    DEFAULT_TEXT_RENDERER_CLASS = Setting[Any]("rest_channels.renderers.JSONRenderer", _import)
    DEFAULT_BYTES_PARSER_CLASS = Setting[Any](None, _import)
    DEFAULT_BYTES_RENDERER_CLASS = Setting[Any](None, _import)

    # What a client learns of an error.
    EXCEPTION_HANDLER = Setting[Any]("rest_channels.dispatch.exception_handler", _import)
    NON_FIELD_ERRORS_KEY = Setting("non_field_errors")
    DEBUG_ERRORS = Setting[bool | None](None, _follow_debug)

    CHANNEL_SESSION_ENGINE = Setting[str | None](None)

    def given(self) -> Mapping[str, Any]:
        """The user's dict, checked.

        Raises `ImproperlyConfigured` for what is not a dict and for unknown keys.
        """
        given = getattr(django_settings, NAME, {})
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured(f"{NAME} must be a dict, not {type(given).__name__}.")
        for key in given:
            if not isinstance(vars(Settings).get(key), Setting):
                raise ImproperlyConfigured(f"{NAME} has no setting {key!r}.{_suggestion(key)}")
        return given

    def reload(self, *, setting: str | None = None, **kwargs: Any) -> None:
        """Forget every value (`setting_changed` calls this for each changed setting)."""
        if setting in (None, NAME, "DEBUG"):
            self.__dict__.clear()


def _suggestion(key: object) -> str:
    known = [name for name, value in vars(Settings).items() if isinstance(value, Setting)]
    near = difflib.get_close_matches(str(key), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known are: {', '.join(known)}."


api_settings = Settings()
setting_changed.connect(api_settings.reload)
