"""What is written in a class or in a setting, and would have no effect, is refused early."""

import pytest
from channels.db import database_sync_to_async
from django.core.checks import run_checks
from django.test import override_settings
from rest_framework.decorators import action as drf_action
from rest_framework.permissions import IsAdminUser

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action, detached
from rest_channels.views import SocketView


def declare(*bases, **attributes):
    return type("Desk", bases, {"__module__": "project", **attributes})


def marked_by_dcrf(function):
    """Mark `function` as the decorator `action` of djangochannelsrestframework does."""
    function.action, function.kwargs = True, {}
    return function


@pytest.mark.parametrize(
    ("decorator", "package"),
    [
        (drf_action(detail=True, permission_classes=[IsAdminUser]), "rest_framework"),
        (marked_by_dcrf, "djangochannelsrestframework"),
    ],
)
def test_a_decorator_action_of_another_package_is_refused(decorator, package) -> None:
    def look(self, **kwargs): ...

    text = rf"@action of {package} has no effect on Desk\.look: .* rest_channels\.decorators"
    with pytest.raises(TypeError, match=text):
        declare(ModelConsumer, look=decorator(look))


def test_an_action_needs_no_decorator_that_runs_it_in_a_thread() -> None:
    with pytest.raises(TypeError, match="runs a def in a thread itself"):
        action()(database_sync_to_async(lambda self: None))


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_an_action_below_a_decorator_without_self_is_refused(kind) -> None:
    with pytest.raises(TypeError, match=r"Desk\.look is a (static|class)method"):
        declare(AsyncAPIConsumer, look=kind(action()(lambda self: None)))


def test_a_method_that_hides_an_action_is_refused() -> None:
    def list_all(self, **kwargs): ...

    text = r"Desk\.list hides the action 'list', .* @action\(\) above it"
    with pytest.raises(TypeError, match=text):
        declare(ModelConsumer, list=list_all)


def test_an_action_may_be_taken_away() -> None:
    assert "list" not in declare(ModelConsumer, list=None).available_actions


AWAITED = [
    "check_permissions",
    "disconnect",
    "get_authenticators",
    "get_permissions",
    "get_queryset",
    "get_throttles",
    "handle_exception",
    "perform_create",
    "reply",
    "websocket_connect",
]


@pytest.mark.parametrize("name", AWAITED)
def test_a_method_whose_result_counts_cannot_be_detached(name) -> None:
    async def method(self, *args, **kwargs): ...

    with pytest.raises(TypeError, match=f"@detached has no effect on Desk.{name}: .* its result"):
        declare(ModelConsumer, **{name: detached(method)})


@pytest.mark.parametrize("name", ["connect", "receive", "receive_json", "gap", "helper"])
def test_a_method_that_nothing_waits_for_can_be_detached(name) -> None:
    async def method(self, *args, **kwargs): ...

    declare(ModelConsumer, **{name: detached(method)})


class Closed:
    permission_classes = [IsAdminUser]


class Checked:
    def check_permissions(self, *args, **kwargs): ...


class Slugs:
    lookup_field = "slug"


@pytest.mark.parametrize(
    ("base", "mixin", "name"),
    [
        (AsyncAPIConsumer, Closed, "permission_classes"),
        (SocketView, Closed, "permission_classes"),
        (AsyncAPIConsumer, Checked, "check_permissions"),
        (SocketView, Checked, "check_permissions"),
        (ModelConsumer, Slugs, "lookup_field"),
    ],
)
def test_a_mixin_behind_the_class_that_it_should_change_is_refused(base, mixin, name) -> None:
    text = rf"{mixin.__name__}\.{name} has no effect in Desk: .* class Desk\({mixin.__name__}, "
    with pytest.raises(TypeError, match=text):
        declare(base, mixin)
    declare(mixin, base)


CHANNELS_1 = [
    "channel_session",
    "channel_session_user",
    "http_user_and_session",
    "method_mapping",
    "slight_ordering",
    "strict_ordering",
]


@pytest.mark.parametrize("base", [SocketView, SocketConsumer, AsyncAPIConsumer])
@pytest.mark.parametrize("name", CHANNELS_1)
def test_an_attribute_of_the_consumers_of_channels_1_is_refused(base, name) -> None:
    with pytest.raises(TypeError, match=rf"Desk\.{name} has no effect"):
        declare(base, **{name: True})


def test_groups_that_a_method_of_channels_1_names_are_refused() -> None:
    with pytest.raises(TypeError, match="connection_groups has no effect"):
        declare(SocketConsumer, connection_groups=lambda self, **kwargs: ["lobby"])


def test_a_dict_of_serializers_is_an_attribute_of_the_project() -> None:
    declare(ModelConsumer, serializer_classes={"list": None})
    with pytest.raises(TypeError, match="Did you mean serializer_class"):
        declare(ModelConsumer, serializer_classes=[])


@pytest.mark.parametrize("name", ["REST_CHANNEL", "RESTCHANNELS", "REST_CHANELS", "REST_CHANNELS_"])
def test_a_misspelt_name_of_the_setting_is_an_error_of_the_checks(name) -> None:
    with override_settings(**{name: {"DEFAULT_PERMISSION_CLASSES": []}}):
        found = [each for each in run_checks() if each.id == "rest_channels.E010"]
    assert f"The setting {name} has no effect." in found[0].msg
    assert "REST_CHANNELS" in found[0].hint
