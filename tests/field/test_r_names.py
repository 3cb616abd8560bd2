"""Names that users of djangochannelsrestframework import, call and override."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from rest_framework import permissions as drf
from rest_framework.exceptions import APIException, MethodNotAllowed

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import ActionMissingException
from rest_channels.permissions import OR, BasePermission, OperandHolder, WrappedDRFPermission
from rest_channels.scope_utils import request_from_scope
from rest_channels.testing import SocketCommunicator


async def statuses(consumer, *names, user=None):
    async with SocketCommunicator(consumer.as_asgi(), user=user, dialect="action") as socket:
        found = [await socket.expect_reply(await socket.call(name)) for name in names]
    return [frame["response_status"] for frame in found]


# Exceptions.


async def test_a_missing_action_may_have_a_detail_and_a_code() -> None:
    class Desk(AsyncAPIConsumer):
        async def get_action_name(self, content, **kwargs):
            raise ActionMissingException(detail="Write type, not action.", code="no_type")

    async with SocketCommunicator(Desk.as_asgi()) as socket:
        await socket.send_json({"action": "x", "request_id": 1})
        frame = await socket.receive_json()
    assert (frame["errors"], frame["response_status"]) == (["Write type, not action."], 405)
    assert str(ActionMissingException().detail) == "Unable to find action in message body."
    assert issubclass(ActionMissingException, MethodNotAllowed | APIException)


# Permissions.


@pytest.mark.parametrize(
    "name",
    ["AND", "OR", "NOT", "OperandHolder", "SingleOperandHolder", "BasePermissionMetaclass"],
)
def test_permissions_have_the_names_of_operators(name) -> None:
    assert name in permissions.__all__
    assert getattr(permissions, name) is getattr(drf, name)


async def test_a_wrapped_permission_of_drf_guards_an_action() -> None:
    class Desk(AsyncAPIConsumer):
        async def get_permissions(self, action, **kwargs):
            granted = await super().get_permissions(action, **kwargs)
            needs_staff = WrappedDRFPermission(permission=drf.IsAdminUser())
            return [*granted, needs_staff] if action == "edit" else granted

        @action()
        async def look(self):
            return None, 200

        @action()
        async def edit(self):
            return None, 200

    assert await statuses(Desk, "look", "edit") == [200, 403]
    assert await statuses(Desk, "look", "edit", user=User(is_staff=True)) == [200, 200]


def test_a_subclass_of_the_wrapper_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"write @action\(http_method="):
        type("Mapped", (WrappedDRFPermission,), {"mapped_actions": {"look": "GET"}})


async def test_an_operator_may_be_written_as_a_class() -> None:
    class Quiet(BasePermission):
        async def has_permission(self, scope, consumer, action, **kwargs):
            return action == "look"

    class Desk(AsyncAPIConsumer):
        permission_classes = [OperandHolder(OR, Quiet, drf.IsAdminUser)]

        @action()
        async def look(self):
            return None, 200

        @action()
        async def edit(self):
            return None, 200

    assert await statuses(Desk, "look", "edit") == [200, 403]


# Requests.


def test_a_request_of_a_scope_without_a_user_is_anonymous() -> None:
    scope = {"type": "websocket", "path": "/x/", "headers": [], "query_string": b"a=1"}
    request = request_from_scope(scope)
    assert request.user == AnonymousUser()
    assert request.session is None
    ada = User(username="ada")
    assert request_from_scope({**scope, "user": ada}).user is ada
