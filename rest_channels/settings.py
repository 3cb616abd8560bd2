"""The dict `REST_CHANNELS` in Django's settings. `Settings` describes its keys.

    REST_CHANNELS = {"HANDLER_TIMEOUT": 10, "MAX_THREADS": 64}

    from rest_channels.settings import api_settings
    api_settings.HANDLER_TIMEOUT        # 10

A value is read at its first use, and again after `override_settings`. An unknown key raises an
error. `None` switches a limit off, where the setting can be `None`.
"""

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Generic, TypeVar, get_args, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .declarations.values import setting_error, type_error

__all__ = ["SETTING_NAME", "Settings", "api_settings"]

SETTING_NAME = "REST_CHANNELS"
ALLOW = "rest_framework.permissions.AllowAny"
T = TypeVar("T")


class Setting(Generic[T]):
    """A key of the dict. Its value is kept in the `Settings` after the first access."""

    def __init__(
        self, default: T, convert: Callable[[Any], Any] | None = None, minimum: int = 0
    ) -> None:
        self.default = default
        self.convert = convert
        self.minimum = minimum

    @property
    def kind(self) -> Any:
        """The type of the value: that in `Setting[…]`, else that of the default."""
        given = get_args(getattr(self, "__orig_class__", None))
        return given[0] if given else type(self.default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: "Settings", owner: type) -> T: ...
    def __get__(self, instance: "Settings | None", owner: type) -> "Setting[T] | T":
        if instance is None:
            return self
        value = instance.user_settings().get(self.name, self.default)
        error = type_error(value, self.kind, self.minimum)
        if error is None and self.convert is not None:
            value = self.convert(value)
            error = setting_error(self.name, value)
        if error is not None:
            raise ImproperlyConfigured(f"{SETTING_NAME}[{self.name!r}] = {value!r} {error}.")
        instance.__dict__[self.name] = value
        return value  # type: ignore[no-any-return]


def _import(value: Any) -> Any:
    """Import a dotted path, or each path in a list. Return anything else unchanged."""
    if isinstance(value, str):
        return import_string(value)
    if isinstance(value, list | tuple):
        return [_import(item) for item in value]
    return value


def _import_callable(value: Any) -> Any:
    """Import a dotted path. Raise `ImproperlyConfigured` if it cannot be called."""
    found = _import(value)
    if not callable(found):
        raise ImproperlyConfigured(f"EXCEPTION_HANDLER must be a function, not {found!r}.")
    return found


def _follow_debug(value: bool | None) -> bool:
    return bool(django_settings.DEBUG) if value is None else value


def _networks(value: Any) -> list[IPv4Network | IPv6Network | str]:
    """Parse addresses and networks, such as `10.0.0.0/8`. Keep `"unix"`."""
    if not isinstance(value, list | tuple):
        raise ImproperlyConfigured(f"TRUSTED_PROXIES must be a list, not {value!r}.")
    try:
        return [item if item == "unix" else ip_network(item) for item in map(str, value)]
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}.") from error


def _session_engine(value: str | None) -> str | None:
    if value is not None and not hasattr(import_module(value), "SessionStore"):
        raise ImproperlyConfigured(f"CHANNEL_SESSION_ENGINE: {value!r} has no SessionStore.")
    return value


def _histories(value: Any) -> Any:
    """Return a copy of a dict, and anything else as it is, to be refused."""
    return dict(value) if isinstance(value, Mapping) else value


def _partition(value: Any) -> Any:
    """Return an instance of the class that tells partitions apart, or `None`."""
    cls = _import(value)
    names = {"of_connection", "of_change", "of_message", "activate"}
    if cls is not None and not (isinstance(cls, type) and names <= set(dir(cls))):
        raise ImproperlyConfigured(
            f"PARTITION must be a subclass of rest_channels.partitions.Partition, not {value!r}."
        )
    return None if cls is None else cls()


class Settings:
    """The settings of the library. Sizes are in bytes, times in seconds."""

    # Limits for each connection: what a client may send, and what may wait for it.
    MAX_FRAME_SIZE = Setting[int | None](64 * 1024)
    """int or None, bytes, default 65,536: a larger frame closes the connection with 4413."""
    INBOX_FRAMES = Setting(1_024, minimum=1)
    """int, frames, default 1,024: more that wait to be handled close the connection with 4429."""
    INBOX_BYTES = Setting(1024 * 1024)
    """int, bytes, default 1,048,576: the same limit for the total size of the waiting frames."""
    FRAME_RATE = Setting[float | None](100.0)
    """float or None, frames a second, default 100.0: a higher average rate closes with 4429."""
    FRAME_BURST = Setting(1_000, minimum=1)
    """int, frames, default 1,000: a client may send this many at once before the rate counts."""
    BYTE_RATE = Setting[float | None](1_048_576.0)
    """float or None, bytes a second, default 1,048,576.0: a faster client is read more slowly."""
    BYTE_BURST = Setting(4 * 1024 * 1024)
    """int, bytes, default 4,194,304: a client may send this much at once before the rate counts."""
    MAX_DEPTH = Setting(64)
    """int, levels, default 64: a frame with deeper nesting is answered with 400."""
    MAX_NAME_LENGTH = Setting(256)
    """int, characters, default 256: longer names of methods and types lead to no handler."""
    MAX_SUBSCRIPTIONS = Setting(128)
    """int, groups, default 128: joining one more is answered with 400."""
    MAX_LIVE = Setting(32)
    """int, subscriptions, default 32: one more of a connection to a live list gives a 400."""
    MAX_LIVE_ROWS = Setting(1_000)
    """int, rows, default 1,000: a live list with more rows is answered with 400."""
    MAX_DETACHED = Setting(16)
    """int, actions, default 16: more detached actions at once are answered with 429."""
    OUTBOX_BYTES = Setting(1024 * 1024)
    """int, bytes, default 1,048,576: a client with more unread messages is closed with 4503."""

    # Limits for open sockets, counted in each process.
    MAX_SOCKETS_PER_USER = Setting[int | None](100)
    """int or None, sockets, default 100: one more of the same user is closed with 4429."""
    MAX_SOCKETS_PER_ADDRESS = Setting[int | None](500)
    """int or None, sockets, default 500: one more from the same address is closed with 4429."""
    MAX_SOCKETS = Setting[int | None](None)
    """int or None, sockets, default None: one more in the process is closed with 4529."""

    # How handlers run.
    HANDLER_TIMEOUT = Setting[float | None](60.0)
    """float or None, seconds, default 60.0: a handler that runs longer gives a 504."""
    MAX_THREADS = Setting(32, minimum=1)
    """int, threads, default 32: the limit per process, for `def` handlers and the ORM."""
    HANDSHAKE_THREADS = Setting(8, minimum=1)
    """int, threads, default 8: more threads per process, only for the checks of handshakes."""
    HANDSHAKE_TIMEOUT = Setting[float | None](10.0)
    """float or None, seconds, default 10.0: longer checks of a handshake close with 45xx."""
    THREAD_SENSITIVE = Setting(default=False)
    """bool, default False: run `def` handlers and the ORM on asgiref's one shared thread."""
    BEAT = Setting[float | None](15.0)
    """float or None, seconds, default 15.0: interval of the checks for ended sessions and users."""
    LIVE_AUDIT = Setting[float | None](60.0)
    """float or None, seconds, default 60.0: time after which a live list is read in any case."""

    # Who may connect.
    ALLOWED_ORIGINS = Setting[list[str]]([])
    """list of str, default []: more trusted origins, beside `CSRF_TRUSTED_ORIGINS`; "*" for all."""
    TRUSTED_PROXIES = Setting[list[Any]]([], _networks)
    """list of str, default []: addresses, networks or "unix" whose `X-Forwarded-*` counts."""
    SESSION_KEY_IN_URL = Setting(default=False)
    """bool, default False: `?session_key=…` names the session. Beware: URLs end up in logs."""
    DEFAULT_PERMISSION_CLASSES = Setting[list[Any]]([ALLOW], _import)
    """list of classes or paths, default [AllowAny]: for views without `permission_classes`."""
    DEFAULT_THROTTLE_CLASSES = Setting[list[Any]]([], _import)
    """list of classes or paths, default []: for views without `throttle_classes`."""
    DEFAULT_AUTHENTICATION_CLASSES = Setting[list[Any]]([], _import)
    """list of classes or paths, default []: for consumers; without any, the session's user."""
    REAUTHENTICATE_WITHIN = Setting[float | None](10.0)
    """float or None, seconds, default 10.0: time to send a new token when one has expired."""
    REFUSE_AFTER_ACCEPTING = Setting[bool | None](None)
    """bool or None, default None: accept before refusing, so that browsers can read why.

    None: as the consumer class has it (`refuse_after_accepting`).
    """

    # The console.
    CONSOLE = Setting(default=True)
    """bool, default True: show the page of a socket to browsers that open its URL."""
    CONSOLE_PERMISSION_CLASSES = Setting[list[Any]](
        ["rest_framework.permissions.IsAdminUser"], _import
    )
    """list of classes or paths, default [IsAdminUser]: who may see the console without `DEBUG`."""

    # Pages of lists.
    DEFAULT_PAGINATION_CLASS = Setting[Any](None, _import)
    """class, path or None, default None: pages of lists. None: by `limit` and `offset`."""
    DEFAULT_PAGE_SIZE = Setting(25)
    """int, rows, default 25: size of a page where neither the client nor `PAGE_SIZE` gives one."""
    PAGE_SIZE = Setting[int | None](None)
    """int or None, rows, default None: size of a page without a `limit`. None: all rows."""

    # The format of frames.
    DEFAULT_TEXT_PARSER_CLASS = Setting[Any]("rest_channels.parsers.JSONParser", _import)
    """class or path, default `JSONParser`: the parser of text frames."""
    DEFAULT_TEXT_RENDERER_CLASS = Setting[Any]("rest_channels.renderers.JSONRenderer", _import)
    """class or path, default `JSONRenderer`: the renderer of text frames."""
    DEFAULT_BYTES_PARSER_CLASS = Setting[Any](None, _import)
    """class, path or None, default None: the parser of binary frames, e.g. `MessagePackParser`."""
    DEFAULT_BYTES_RENDERER_CLASS = Setting[Any](None, _import)
    """class, path or None, default None: their renderer, e.g. `MessagePackRenderer`."""

    # What a client receives for an error.
    EXCEPTION_HANDLER = Setting[Any]("rest_channels.dispatch.exception_handler", _import_callable)
    """callable or path, default as in DRF: (error, invocation) -> `Refusal`, or None for a 500."""
    NON_FIELD_ERRORS_KEY = Setting("non_field_errors")
    """str, default "non_field_errors": the key of a list of errors in an error frame."""
    DEBUG_ERRORS = Setting[bool | None](None, _follow_debug)
    """bool or None, default None: send tracebacks to clients. None: as Django's `DEBUG`."""

    HISTORIES = Setting[Any]({}, _histories)
    """dict of str to `History`, default {}: the groups that keep messages, by name or pattern."""

    PARTITION = Setting[Any](None, _partition)
    """class, path or None, default None: what keeps tenants apart, a `partitions.Partition`."""

    HISTORY = Setting[str | None](None)
    """str or None, default None: where groups keep messages: "redis", "memory" or "database".

    None: in Redis if the channel layer is one of channels-redis, else in memory.
    """

    VALIDATE_TEST_FRAMES = Setting(default=False)
    """bool, default False: let `SocketCommunicator` check frames against the schema."""

    CHANNEL_SESSION_ENGINE = Setting[str | None](None, _session_engine)
    """str or None, default None: the session engine of `channel_session`. None: in memory."""

    @cached_property
    def guards_by_default(self) -> bool:
        """Whether the default permissions or throttles may refuse anything.

        Each frame asks for it, so it is found once, as a setting is.
        """
        refusing = [each for each in self.DEFAULT_PERMISSION_CLASSES if each is not _import(ALLOW)]
        return bool(refusing or self.DEFAULT_THROTTLE_CLASSES)

    def user_settings(self) -> Mapping[str, Any]:
        """Return the dict of the project, or raise `ImproperlyConfigured` if it is wrong."""
        user_settings = getattr(django_settings, SETTING_NAME, {})
        if not isinstance(user_settings, Mapping):
            found = type(user_settings).__name__
            raise ImproperlyConfigured(f"{SETTING_NAME} must be a dict, not {found}.")
        for key in user_settings:
            if not isinstance(vars(Settings).get(key), Setting):
                raise ImproperlyConfigured(
                    f"{SETTING_NAME} has no setting {key!r}.{_suggestion(key)}"
                )
        return user_settings

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)  # a test gives a setting a value
        self.__dict__.pop("guards_by_default", None)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self.__dict__.pop("guards_by_default", None)

    def reload(self, *, setting: str | None = None, **kwargs: Any) -> None:
        """Forget all values. Django's signal `setting_changed` calls this."""
        if setting in (None, SETTING_NAME, "DEBUG"):
            self.__dict__.clear()


def _suggestion(key: object) -> str:
    known = [name for name, value in vars(Settings).items() if isinstance(value, Setting)]
    nearest = difflib.get_close_matches(str(key), known, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else f" Known are: {', '.join(known)}."


api_settings = Settings()
setting_changed.connect(api_settings.reload)
