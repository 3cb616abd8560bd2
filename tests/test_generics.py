"""Generic consumers and their mixins: the models of djangochannelsrestframework's examples."""

from base64 import b64encode

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import pagination, serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.permissions import (
    SAFE_METHODS,
    AllowAny,
    BasePermission,
    DjangoModelPermissions,
)

from rest_channels import permissions
from rest_channels.consumers import GenericAsyncAPIConsumer as DocumentedConsumer
from rest_channels.consumers import ModelConsumer, ReadOnlyModelConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import (
    ListModelMixin,
    PaginatedModelListMixin,
    StreamedPaginatedListMixin,
)
from rest_channels.pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator

from .compatibility import printed_users
from .compatibility.printed_users import UserSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class UserConsumer(printed_users.UserConsumer):
    queryset = User.objects.order_by("pk")


@pytest.fixture
def users():
    """Create three users, and return them as rows of a reply."""
    users = [User.objects.create_user(f"test{n}", f"{n}@example.com") for n in (1, 2, 3)]
    return [{"id": user.pk, "username": user.username, "email": user.email} for user in users]


def client(consumer=UserConsumer, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def reply_to(socket, action, **frame):
    """Send an action; return the status, the data and the errors of its answer."""
    await socket.send_json({"action": action, "request_id": 7, **frame})
    reply = await socket.receive_json()
    assert (reply.pop("action"), reply.pop("request_id")) == (action, 7)
    return reply["response_status"], reply["data"], reply["errors"]


async def test_list_answers_with_all_rows(users) -> None:
    async with client() as socket:
        assert await reply_to(socket, "list") == (200, users, [])


async def test_retrieve_answers_with_one_row(users) -> None:
    async with client() as socket:
        assert await reply_to(socket, "retrieve", pk=users[1]["id"]) == (200, users[1], [])


async def test_patch_changes_some_fields_of_a_row(users) -> None:
    async with client() as socket:
        pk, data = users[1]["id"], {"email": "edited@example.com"}
        assert await reply_to(socket, "patch", pk=pk, data=data) == (200, {**users[1], **data}, [])
        assert (await User.objects.aget(pk=pk)).email == "edited@example.com"


async def test_update_takes_the_whole_row(users) -> None:
    async with client() as socket:
        pk, data = users[1]["id"], {"username": "user2"}
        status, _data, [errors] = await reply_to(socket, "update", pk=pk, data=data)
        assert (status, errors) == (400, {"password": ["This field is required."]})
        data |= {"password": "x"}
        status, reply, _errors = await reply_to(socket, "update", pk=pk, data=data)
        assert (status, reply["username"]) == (200, "user2")


async def test_create_saves_a_row_and_answers_with_201(users) -> None:
    async with client() as socket:
        data = {"username": "test4", "password": "testpassword123", "email": "4@example.com"}
        status, reply, errors = await reply_to(socket, "create", data=data)
        assert (status, errors) == (201, [])
        user = await User.objects.aget(username="test4")
        assert reply == {"id": user.pk, "username": "test4", "email": "4@example.com"}


async def test_delete_removes_a_row_and_answers_with_204(users) -> None:
    async with client() as socket:
        assert await reply_to(socket, "delete", pk=users[2]["id"]) == (204, None, [])
        assert await User.objects.acount() == 2


@pytest.mark.parametrize("pk", [0, -1, "x", "", None, [], [1], {"gte": 1}, True, 1.5, 2**63, "é"])
@pytest.mark.parametrize("name", ["retrieve", "delete"])
async def test_a_missing_row_is_answered_with_404(name, pk, users) -> None:
    async with client() as socket:
        status, data, errors = await reply_to(socket, name, pk=pk)
        assert (status, data, len(errors)) == (404, None, 1)
        assert await User.objects.acount() == 3


async def test_an_error_frame_names_the_key_that_a_frame_lacks(users) -> None:
    async with client() as socket:
        error = (400, None, [{"pk": ["This argument is required."]}])
        assert await reply_to(socket, "retrieve") == error
        error = (400, None, [{"data": ["This argument is required."]}])
        assert await reply_to(socket, "create") == error


@pytest.mark.parametrize("data", [None, 7, "x", [], [1], {"username": {"a": 1}}])
async def test_data_that_is_not_an_object_is_answered_with_400(data, users) -> None:
    async with client() as socket:
        assert (await reply_to(socket, "create", data=data))[0] == 400
        assert (await reply_to(socket, "patch", pk=users[0]["id"], data=data))[0] in (400, 200)


async def test_a_key_of_a_client_never_becomes_a_lookup(users) -> None:
    async with client() as socket:
        pk = users[0]["id"]
        keys = ["password__startswith", "pk__gte", "id", "username", "queryset", "serializer"]
        keys += ["instance", "action_kwargs", "scope", "user__password__regex", "view", "limit"]
        for key in keys:
            assert await reply_to(socket, "retrieve", pk=pk, **{key: "x"}) == (200, users[0], [])
            assert (await reply_to(socket, "patch", pk=pk, data={}, **{key: "x"}))[0] == 200
            assert await reply_to(socket, "list", **{key: "x"}) == (200, users, [])


async def test_hooks_receive_the_arguments_of_a_frame_that_they_accept(users) -> None:
    class ByDomain(UserConsumer):
        def get_queryset(self, domain=None, **kwargs):
            return super().get_queryset().filter(email__endswith=domain or "")

        def get_serializer_class(self):
            return UserSerializer

        def perform_patch(self, serializer):
            serializer.save(first_name=f"{self.action} {self.request.method}")

    async with client(ByDomain) as socket:
        assert await reply_to(socket, "list", domain="2@example.com") == (200, [users[1]], [])
        await reply_to(socket, "patch", pk=users[0]["id"], data={})
        assert (await User.objects.aget(pk=users[0]["id"])).first_name == "patch PATCH"


async def test_custom_actions_use_the_model(users) -> None:
    class Custom(DocumentedConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

        @action()
        def publish(self, pk=None, **kwargs):
            return self.get_serializer(self.get_object(pk=pk)).data, 200

    async with client(Custom) as socket:
        assert await reply_to(socket, "publish", pk=users[0]["id"]) == (200, users[0], [])


async def test_a_consumer_finds_rows_by_its_lookup_field_and_argument_name(users) -> None:
    class ByName(UserConsumer):
        lookup_field = "username"
        lookup_url_kwarg = "name"

    async with client(ByName) as socket:
        assert await reply_to(socket, "retrieve", name="test2") == (200, users[1], [])


def test_a_missing_class_attribute_is_named_in_the_error() -> None:
    with pytest.raises(TypeError, match=r"Set Empty.queryset, or override its get_queryset\(\)"):
        type("Empty", (GenericAsyncAPIConsumer,), {})().get_queryset()
    with pytest.raises(TypeError, match=r"Set Empty.serializer_class"):
        type("Empty", (GenericAsyncAPIConsumer,), {})().get_serializer_class()


# Filters.


class Filtered(UserConsumer):
    filter_backends = [SearchFilter, OrderingFilter]
    search_fields = ["username"]
    ordering_fields = ["username"]


async def test_filters_of_drf_read_the_query_of_a_frame(users) -> None:
    async with client(Filtered) as socket:
        assert await reply_to(socket, "list", query={"search": "test2"}) == (200, [users[1]], [])
        backwards = (200, users[::-1], [])
        assert await reply_to(socket, "list", query={"ordering": "-username"}) == backwards
        assert await reply_to(socket, "list", query={"ordering": "password"}) == (200, users, [])


async def test_the_backend_of_django_filter_reads_the_query_of_a_frame(users) -> None:
    class ByFields(UserConsumer):
        filter_backends = [DjangoFilterBackend]
        filterset_fields = {"username": ["exact", "in"], "id": ["lt"]}

    async with client(ByFields) as socket:
        assert await reply_to(socket, "list", query={"username": "test2"}) == (200, [users[1]], [])
        named = {"username__in": "test1,test3"}
        assert await reply_to(socket, "list", query=named) == (200, [users[0], users[2]], [])
        error = (400, None, [{"id__lt": ["Enter a number."]}])
        assert await reply_to(socket, "list", query={"id__lt": "x"}) == error
        assert await reply_to(socket, "list", query={"password__startswith": "x"}) == (
            200,
            users,
            [],
        )


async def test_mixins_may_come_before_or_after_the_consumer_class(users) -> None:
    mixin_last = type("MixinLast", (GenericAsyncAPIConsumer, ListModelMixin), {})
    mixin_first = type("MixinFirst", (ListModelMixin, GenericAsyncAPIConsumer), {})
    for consumer in (mixin_last, mixin_first, ReadOnlyModelConsumer, ModelConsumer):
        attributes = {"queryset": User.objects.order_by("pk"), "serializer_class": UserSerializer}
        async with client(type("Consumer", (consumer,), attributes)) as socket:
            assert await reply_to(socket, "list") == (200, users, [])


@pytest.mark.parametrize("query", [7, "search=x", [["search", "x"]], None])
async def test_a_query_that_is_not_an_object_is_answered_with_400(query, users) -> None:
    async with client(Filtered) as socket:
        status, _data, [errors] = await reply_to(socket, "list", query=query)
        assert (status, errors.keys()) == (400, {"query"})


# Pages.


class Paged(PaginatedModelListMixin, UserConsumer):
    pass


async def test_a_page_has_its_count_limit_and_offset(users) -> None:
    async with client(Paged) as socket:
        page = {"count": 3, "limit": 2, "offset": 1, "results": users[1:]}
        assert await reply_to(socket, "list", limit=2, offset=1) == (200, page, [])
        assert await reply_to(socket, "list") == (200, users, [])


async def test_the_size_of_a_page_is_a_setting(users, settings) -> None:
    settings.REST_CHANNELS = {"PAGE_SIZE": 2}
    async with client(Paged) as socket:
        page = {"count": 3, "limit": 2, "offset": 0, "results": users[:2]}
        assert await reply_to(socket, "list") == (200, page, [])


@pytest.mark.parametrize(
    "bound", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"offset": 2**63}]
)
async def test_invalid_limits_and_offsets_are_answered_with_400(bound, users) -> None:
    async with client(Paged) as socket:
        status, _data, [errors] = await reply_to(socket, "list", **{"limit": 1, **bound})
        assert (status, errors.keys()) == (400, bound.keys())


async def test_the_page_size_of_drfs_settings_is_not_used(users, settings) -> None:
    settings.REST_FRAMEWORK = {"PAGE_SIZE": 1}
    async with client(Paged) as socket:
        assert await reply_to(socket, "list") == (200, users, [])


async def test_a_subclass_may_override_how_limit_and_offset_are_read(users) -> None:
    class SizePagination(WebsocketLimitOffsetPagination):
        def get_limit(self, size=1, **kwargs):
            return size

    class Sized(Paged):
        pagination_class = SizePagination

    async with client(Sized) as socket:
        assert (await reply_to(socket, "list", size=2))[1]["results"] == users[:2]


async def test_page_number_pagination_answers_with_pages_by_number(users) -> None:
    class TwoPerPage(WebsocketPageNumberPagination):
        page_size = 2

    class Numbered(Paged):
        pagination_class = TwoPerPage

    async with client(Numbered) as socket:
        page = {"count": 3, "page": 2, "pages": 2, "results": users[2:]}
        assert await reply_to(socket, "list", page=2) == (200, page, [])
        assert (await reply_to(socket, "list", page=3))[0] == 404
        assert (await reply_to(socket, "list", page=[1]))[0] == 200


async def test_cursor_pagination_answers_with_pages_by_cursor(users) -> None:
    class TwoPerPage(WebsocketCursorPagination):
        page_size, ordering = 2, "pk"

    class CursorPaged(Paged):
        pagination_class = TwoPerPage

    async with client(CursorPaged) as socket:
        _status, first, _errors = await reply_to(socket, "list")
        assert (first["results"], first["previous"]) == (users[:2], None)
        _status, last, _errors = await reply_to(socket, "list", cursor=first["next"])
        assert (last["results"], last["next"]) == (users[2:], None)
        _status, back, _errors = await reply_to(socket, "list", cursor=last["previous"])
        assert back["results"] == users[:2]
        assert (await reply_to(socket, "list", cursor="no cursor"))[0] == 404


class Streamed(StreamedPaginatedListMixin, UserConsumer):
    pass


async def test_a_streamed_list_sends_every_page_with_the_same_request_id(users) -> None:
    async with client(Streamed) as socket:
        pages = [await reply_to(socket, "list", limit=2)]
        pages.append(await next_reply(socket))
        assert [page["results"] for _status, page, _errors in pages] == [users[:2], users[2:]]
        assert [page["offset"] for _status, page, _errors in pages] == [0, 2]
        await socket.expect_nothing()


async def test_a_stream_without_a_limit_uses_the_default_page_size(users) -> None:
    async with client(Streamed) as socket:
        assert (await reply_to(socket, "list", limit=None))[1]["results"] == users


@override_settings(REST_CHANNELS={"DEFAULT_PAGINATION_CLASS": WebsocketPageNumberPagination})
async def test_a_stream_is_not_paged_by_the_number_of_a_page(users) -> None:
    async with client(Streamed) as socket:
        assert (await reply_to(socket, "list"))[0] == 500


async def next_reply(socket):
    reply = await socket.receive_json()
    return reply["response_status"], reply["data"], reply["errors"]


async def test_a_client_can_send_frames_during_a_stream_and_cancel_it(users) -> None:
    class Slow(Streamed):
        sleep_time_between_pages = 60

    async with client(Slow) as socket:
        await reply_to(socket, "list", limit=1)
        assert (await reply_to(socket, "retrieve", pk=users[0]["id"]))[0] == 200
        assert await reply_to(socket, "list_cancel") == (200, None, [])
        await socket.expect_nothing()


# Permissions.


class IsSelf(BasePermission):
    def has_object_permission(self, request, view, obj):
        return obj == request.user


async def test_an_object_permission_decides_about_each_object(users) -> None:
    class Guarded(UserConsumer):
        permission_classes = [IsSelf]

    ada = await User.objects.aget(pk=users[0]["id"])
    async with client(Guarded, user=ada) as socket:
        assert await reply_to(socket, "retrieve", pk=ada.pk) == (200, users[0], [])
        errors = ["You do not have permission to perform this action."]
        assert await reply_to(socket, "retrieve", pk=users[1]["id"]) == (403, None, errors)
        assert await reply_to(socket, "delete", pk=users[1]["id"]) == (403, None, errors)


class AsyncRejectObject(permissions.BasePermission):
    async def has_permission(self, scope, consumer, action, **kwargs):
        return True

    async def has_object_permission(self, request, view, obj):
        return False


class AsyncRejectObjectDRF(BasePermission):
    async def has_object_permission(self, request, view, obj):
        return False


@pytest.mark.parametrize(
    "classes",
    [
        [AsyncRejectObject],
        [AsyncRejectObjectDRF],
        [AsyncRejectObject & AllowAny],
        [AsyncRejectObjectDRF | AsyncRejectObject],
        [~~AsyncRejectObjectDRF],
    ],
)
async def test_an_async_object_permission_is_awaited(classes, users) -> None:
    guarded = type("Guarded", (UserConsumer,), {"permission_classes": classes})
    async with client(guarded) as socket:
        assert (await reply_to(socket, "retrieve", pk=users[1]["id"]))[0] == 403


async def test_a_consumer_that_overrides_check_permissions_still_checks_objects(users) -> None:
    class WithoutCheck(UserConsumer):
        permission_classes = [IsSelf]

        async def check_permissions(self, action, **kwargs):
            pass

        def changed(self, event):
            try:
                self.get_object(pk=users[1]["id"])
            except PermissionDenied:
                self.send_json("denied")

    class AsyncObjectCheck(UserConsumer):
        async def check_object_permissions(self, request, obj):
            raise PermissionDenied

    async with client(WithoutCheck) as socket:
        assert (await reply_to(socket, "retrieve", pk=users[1]["id"]))[0] == 403
        [member] = current_hub().members.values()
        member.deliver(Event("", {"type": "changed"}))
        assert await socket.receive_json() == "denied"
    async with client(AsyncObjectCheck) as socket:
        assert (await reply_to(socket, "retrieve", pk=users[1]["id"]))[0] == 403


async def test_get_serializer_may_be_called_as_in_djangochannelsrestframework(users) -> None:
    class OldSignature(UserConsumer):
        def get_serializer(self, action_kwargs=None, *args, **kwargs):
            return super().get_serializer(*args, action_kwargs=action_kwargs, **kwargs)

    async with client(OldSignature) as socket:
        assert await reply_to(socket, "retrieve", pk=users[0]["id"]) == (200, users[0], [])
        assert await reply_to(socket, "list") == (200, users, [])
        assert (await reply_to(socket, "patch", pk=users[0]["id"], data={}))[0] == 200


async def test_a_permission_without_has_object_permission_refuses_no_object(users) -> None:
    class IsBanned(permissions.BasePermission):
        async def has_permission(self, scope, consumer, action, **kwargs):
            return False

    class Guarded(UserConsumer):
        permission_classes = [~IsBanned, ~IsBanned | IsSelf]

    async with client(Guarded) as socket:
        assert (await reply_to(socket, "retrieve", pk=users[1]["id"]))[0] == 200


async def test_hyperlinks_and_urls_are_the_same_as_over_http(users) -> None:
    class Linked(UserSerializer):
        url = serializers.SerializerMethodField()

        def get_url(self, user):
            return self.context["request"].build_absolute_uri(f"/users/{user.username}/")

        class Meta(UserSerializer.Meta):
            fields = ["url"]

    linked = type("LinkedConsumer", (UserConsumer,), {"serializer_class": Linked})
    async with client(linked) as socket:
        found = await reply_to(socket, "retrieve", pk=users[0]["id"])
        assert found == (200, {"url": "http://testserver/users/test1/"}, [])


async def test_model_permissions_use_the_http_method_that_an_action_has_in_drf(users) -> None:
    class Guarded(UserConsumer):
        permission_classes = [DjangoModelPermissions]

    ada = await User.objects.aget(pk=users[0]["id"])
    await ada.user_permissions.aadd(await Permission.objects.aget(codename="change_user"))
    async with client(Guarded, user=ada) as socket:
        data = {"username": "x", "password": "x", "email": "x@example.com"}
        statuses = {
            "list": 200,
            "retrieve": 200,
            "create": 403,
            "patch": 200,
            "update": 200,
            "delete": 403,
        }
        for name, status in statuses.items():
            assert (await reply_to(socket, name, pk=users[1]["id"], data=data))[0] == status


async def test_an_action_may_set_the_http_method_that_permissions_see() -> None:
    class ReadOnly(BasePermission):
        def has_permission(self, request, view):
            return request.method in SAFE_METHODS

    class Guarded(GenericAsyncAPIConsumer):
        permission_classes = [ReadOnly]

        @action(http_method="GET")
        def read(self):
            return self.request.method, 200

        @action()
        def write(self):
            return self.request.method, 200

    async with client(Guarded) as socket:
        assert (await reply_to(socket, "read"))[:2] == (200, "GET")
        assert (await reply_to(socket, "write"))[0] == 403


# Transactions.


async def test_an_atomic_action_rolls_back_on_an_error(users) -> None:
    class Atomic(GenericAsyncAPIConsumer):
        @action(atomic=True)
        def delete_all(self):
            User.objects.all().delete()
            raise ValueError

    async with client(Atomic) as socket:
        assert (await reply_to(socket, "delete_all"))[0] == 500
        assert await User.objects.acount() == 3


def test_a_list_takes_one_query(users) -> None:
    consumer = UserConsumer()
    with CaptureQueriesContext(connection) as queries:
        list(consumer.get_queryset())
    assert len(queries) == 1


class AsyncHooks(UserConsumer):
    """Every method that a user may override is `async def` here."""

    async def get_queryset(self):
        return User.objects.exclude(email="0@example.com")

    async def filter_queryset(self, queryset):
        return queryset.order_by("-pk")

    async def get_object(self, pk):
        return await User.objects.aget(pk=pk)

    async def get_serializer_class(self):
        return UserSerializer

    async def get_serializer(self, action_kwargs=None, **kwargs):
        return UserSerializer(**kwargs)

    async def perform_create(self, serializer):
        await sync_to_async(serializer.save)(email="0@example.com")

    async def perform_update(self, serializer):
        await sync_to_async(serializer.save)(email="1@example.com")

    perform_patch = perform_update

    async def perform_delete(self, instance):
        await instance.adelete()


async def test_overridden_hooks_may_be_async(users) -> None:
    data = {"username": "ada", "email": "x@example.com", "password": "x"}
    async with client(AsyncHooks) as socket:
        status, created, _errors = await reply_to(socket, "create", data=data)
        assert (status, created["email"]) == (201, "0@example.com")
        assert await reply_to(socket, "list") == (200, users[::-1], [])
        for name in ("update", "patch"):
            _status, saved, _errors = await reply_to(socket, name, pk=created["id"], data=data)
            assert saved["email"] == "1@example.com"
        assert (await reply_to(socket, "delete", pk=created["id"]))[0] == 204
        assert not await User.objects.filter(username="ada").aexists()


async def test_an_atomic_action_rolls_back_the_writes_of_an_async_override() -> None:
    class FailingCreate(UserConsumer):
        @action(atomic=True)
        def create(self, data, **kwargs):
            return super().create.__wrapped__(self, data, **kwargs)

        async def perform_create(self, serializer):
            await sync_to_async(serializer.save)()
            raise PermissionDenied

    async with client(FailingCreate) as socket:
        data = {"username": "ada", "email": "x@example.com", "password": "x"}
        assert (await reply_to(socket, "create", data=data))[0] == 403
        assert not await User.objects.filter(username="ada").aexists()


class Users(ModelConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer


async def test_a_list_outside_of_an_action_has_a_paginator() -> None:
    class ListInConnect(Users):
        async def connect(self):
            page, _status = await self.list(limit=1)
            await self.send_json(page)

    await User.objects.acreate_user("ada")
    await User.objects.acreate_user("grace")
    async with client(ListInConnect) as socket:
        page = await socket.receive_json()
    assert (page["count"], len(page["results"])) == (2, 1)


async def test_an_action_keeps_its_object_permissions_after_it_called_another_action() -> None:
    class ReadOnly(BasePermission):
        def has_object_permission(self, request, view, obj):
            return request.method in SAFE_METHODS

    class Guarded(Users):
        permission_classes = [ReadOnly]

        @action()
        async def wipe(self, pk):
            await self.handle_action("list", "side")
            await sync_to_async(self.get_object)(pk=pk)
            return "wiped", 200

    user = await User.objects.acreate_user("ada")
    async with client(Guarded) as socket:
        call = await socket.call("wipe", pk=user.pk)
        await socket.expect_reply("side", response_status=200)
        await socket.expect_reply(call, response_status=403)


async def test_an_async_override_may_await_another_action() -> None:
    class CountAfterCreate(Users):
        async def perform_create(self, serializer, **kwargs):
            await sync_to_async(serializer.save)()
            page, _status = await self.list(limit=5)
            await self.send_json({"count": page["count"]})

    async with client(CountAfterCreate) as socket:
        call = await socket.call(
            "create", {"username": "ada", "email": "a@example.com", "password": "x"}
        )
        assert (await socket.receive_json())["count"] == 1
        await socket.expect_reply(call, response_status=201)


class AsyncRows:
    async def get_queryset(self, **kwargs):
        return User.objects.exclude(username="hidden").order_by("pk")


class WrappedRows:
    @database_sync_to_async
    def get_queryset(self, **kwargs):
        assert "self" not in kwargs
        return User.objects.exclude(username="hidden").order_by("pk")


@pytest.mark.parametrize("mixin", [AsyncRows, WrappedRows])
async def test_drfs_model_permissions_read_an_async_queryset(mixin) -> None:
    class Guarded(mixin, Users):
        permission_classes = [DjangoModelPermissions]

        @action()
        async def count(self):
            return await (await self.get_queryset()).acount(), 200

    root = await User.objects.acreate_superuser("root")
    hidden = await User.objects.acreate_user("hidden")
    async with client(Guarded, user=root) as socket:
        assert (await reply_to(socket, "list", limit=9))[1]["count"] == 1
        assert await reply_to(socket, "count") == (200, 1, [])
        assert (await reply_to(socket, "retrieve", pk=hidden.pk))[0] == 404


async def test_a_client_cannot_set_the_arguments_of_a_wrapped_override() -> None:
    class Wrapped(Users):
        @database_sync_to_async
        def perform_create(self, serializer, **kwargs):
            assert "serializer" not in kwargs
            assert kwargs["instance"] == 2
            serializer.save()

    data = {"username": "ada", "email": "a@example.com", "password": "x"}
    async with client(Wrapped) as socket:
        reply = await reply_to(socket, "create", data=data, serializer=1, instance=2)
        assert reply[0] == 201


class Ordered(Users):
    filter_backends = [OrderingFilter, DjangoFilterBackend]
    ordering_fields = ["username"]
    filterset_fields = {"id": ["in"]}


class ByKeyPagination(WebsocketCursorPagination):
    page_size = 2
    page_size_query_param = "page_size"
    ordering = "pk"


class ByDatePagination(ByKeyPagination):
    ordering = "date_joined"


class ByNumberPagination(WebsocketPageNumberPagination):
    page_size = 2


class ByCursor(Ordered):
    pagination_class = ByKeyPagination


class ByDate(Ordered):
    pagination_class = ByDatePagination


class ByNumber(Ordered):
    pagination_class = ByNumberPagination


@pytest.mark.parametrize("consumer", [Ordered, ByCursor, ByNumber])
async def test_pages_have_the_order_that_the_query_names(consumer, users) -> None:
    async with client(consumer) as socket:
        query = {"ordering": "-username"}
        _status, page, _errors = await reply_to(socket, "list", query=query, limit=2)
        assert [row["username"] for row in page["results"]] == ["test3", "test2"]
        if consumer is ByCursor:
            _status, page, _errors = await reply_to(
                socket, "list", query=query, cursor=page["next"]
            )
            assert [row["username"] for row in page["results"]] == ["test1"]


STATUS_IF_COMPARED = None if connection.vendor == "sqlite" else 200
"""PostgreSQL compares numbers of any size; SQLite raises for those beyond 64 bits."""


@pytest.mark.parametrize(
    ("consumer", "frame", "status"),
    [
        (ByCursor, {"cursor": b64encode(b"p=abc").decode()}, 404),
        (ByDate, {"cursor": b64encode(b"p=abc").decode()}, 404),
        (ByCursor, {"query": {"cursor": b64encode(b"p=abc").decode()}}, 404),
        (ByCursor, {"page_size": 2**63}, 400),
        (ByCursor, {"query": {"id__in": 2**63}}, STATUS_IF_COMPARED or 400),
        (ByNumber, {"query": {"id__in": 2**63}}, STATUS_IF_COMPARED or 400),
        (Ordered, {"query": {"id__in": 2**63}, "limit": 2}, STATUS_IF_COMPARED or 400),
        (Ordered, {"query": {"id__in": 2**63}}, STATUS_IF_COMPARED or 400),
    ],
)
async def test_a_value_that_no_database_can_compare_is_answered_with_an_error(
    consumer, frame, status, users
) -> None:
    async with client(consumer) as socket:
        assert (await reply_to(socket, "list", **frame))[0] == status
        pk = users[0]["id"]
        query = {"query": {"id__in": 2**63}}
        assert (await reply_to(socket, "retrieve", pk=pk, **query))[0] == 404


async def test_a_number_of_the_server_that_is_out_of_range_is_answered_with_500(users) -> None:
    class Broken(Users):
        def get_queryset(self):
            return User.objects.filter(pk__in=[2**63])

    async with client(Broken) as socket:
        assert (await reply_to(socket, "list"))[0] == (STATUS_IF_COMPARED or 500)


async def test_get_serializer_may_be_overridden_with_drfs_signature(users) -> None:
    class AsInDRF(Users):
        def get_serializer(self, *args, **kwargs):
            kwargs["context"] = self.get_serializer_context()
            return self.get_serializer_class()(*args, **kwargs)

    class ByArgument(Users):
        def get_serializer(self, *args, **kwargs):
            return super().get_serializer(*args, **kwargs)

        def get_serializer_class(self, brief=False, **kwargs):
            return Brief if brief else UserSerializer

    class AsInDCRF(ByArgument):
        def get_serializer(self, *args, action_kwargs=None, **kwargs):
            assert action_kwargs["brief"]
            return super().get_serializer(*args, action_kwargs=action_kwargs, **kwargs)

    class Brief(serializers.ModelSerializer):
        class Meta:
            model = User
            fields = ["username"]

    pk = users[0]["id"]
    for consumer, reply in (AsInDRF, users[0]), (ByArgument, brief := {"username": "test1"}):
        async with client(consumer) as socket:
            assert await reply_to(socket, "retrieve", pk=pk, brief=True) == (200, reply, [])
    async with client(AsInDCRF) as socket:
        assert await reply_to(socket, "retrieve", pk=pk, brief=True) == (200, brief, [])


def test_a_pagination_class_of_drfs_raises_an_error_when_the_class_is_defined() -> None:
    with pytest.raises(TypeError, match="query strings"):

        class Paged(Users):
            pagination_class = pagination.PageNumberPagination


async def test_only_actions_of_a_row_show_a_key_to_permissions() -> None:
    kwargs_by_action = {}

    class RecordingPermission(BasePermission):
        def has_permission(self, request, view):
            kwargs_by_action[view.action] = view.kwargs
            return True

    class Keyed(Users):
        permission_classes = [RecordingPermission]
        lookup_url_kwarg = "user"

        @action(detail=False)
        def all(self, user=None):
            return self.kwargs, 200

        @action()
        def one(self, user):
            return self.kwargs, 200

    async with client(Keyed, kwargs={"room": 1}) as socket:
        for name in ("list", "all", "one"):
            assert (await reply_to(socket, name, user=5, limit=1))[0] in (200, 400)
        assert await reply_to(socket, "one", user=5) == (200, {"room": 1}, [])
    assert kwargs_by_action == {
        None: {"room": 1},
        "list": {"room": 1},
        "all": {"room": 1},
        "one": {"room": 1, "user": "5"},
    }
