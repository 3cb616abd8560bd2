"""`view_as_consumer`: views of Django and DRF, called for each frame."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse, Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.views import View
from rest_framework import serializers
from rest_framework.authentication import TokenAuthentication
from rest_framework.decorators import action, api_view
from rest_framework.permissions import DjangoModelPermissionsOrAnonReadOnly, IsAdminUser
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from rest_channels.consumers import DjangoViewAsConsumer, view_as_consumer
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "username", "email"]


class UserViewSet(ModelViewSet):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer
    permission_classes = [DjangoModelPermissionsOrAnonReadOnly]

    @action(detail=True, methods=["post"])
    def rename(self, request, pk):
        user = self.get_object()
        user.username = request.data["to"]
        user.save()
        return Response(self.get_serializer(user).data)


def client(view, mapped_actions=None, **kwargs):
    return SocketCommunicator(view_as_consumer(view, mapped_actions), dialect="action", **kwargs)


async def reply_to(socket, action, **frame):
    await socket.send_json({"action": action, "request_id": 7, **frame})
    reply = await socket.receive_json()
    assert reply["request_id"] == 7
    return reply["response_status"], reply["data"] if reply["data"] is not None else reply["errors"]


@pytest.fixture
async def root():
    return await User.objects.acreate_superuser("root", email="root@example.com")


async def test_a_viewset_needs_no_mapping(root) -> None:
    async with client(UserViewSet, user=root) as socket:
        row = {"id": root.pk, "username": "root", "email": "root@example.com"}
        assert await reply_to(socket, "list") == (200, [row])
        assert await reply_to(socket, "retrieve", parameters={"pk": root.pk}) == (200, row)
        status, created = await reply_to(socket, "create", data={"username": "ada"})
        assert (status, created["username"]) == (201, "ada")
        where = {"pk": created["id"]}
        status, reply = await reply_to(socket, "update", parameters=where, data={"username": "eve"})
        assert (status, reply["username"]) == (200, "eve")
        status, reply = await reply_to(socket, "patch", parameters=where, data={"email": "e@e.org"})
        assert (status, reply["email"]) == (200, "e@e.org")
        status, reply = await reply_to(socket, "rename", parameters=where, data={"to": "bob"})
        assert (status, reply["username"]) == (200, "bob")
        assert (await reply_to(socket, "delete", parameters=where))[0] == 204


async def test_a_viewset_has_the_permissions_and_errors_it_has_over_http(root) -> None:
    async with client(UserViewSet, user=AnonymousUser()) as socket:
        assert (await reply_to(socket, "list"))[0] == 200
        refused = await reply_to(socket, "create", data={"username": "x"})
        assert refused[0] in (401, 403)
        assert refused[1]["detail"] == "Authentication credentials were not provided."
    async with client(UserViewSet, user=root) as socket:
        assert await reply_to(socket, "create", data={}) == (
            400,
            {"username": ["This field is required."]},
        )
        missing = await reply_to(socket, "retrieve", parameters={"pk": 0})
        assert (missing[0], missing[1].keys()) == (404, {"detail"})
        assert await reply_to(socket, "as_view") == (405, ['Method "as_view" not allowed.'])
        assert (await reply_to(socket, "get_queryset"))[0] == 405


async def test_arguments_of_a_viewsets_action_decorator_are_respected() -> None:
    class Own(UserViewSet):
        @action(detail=True, methods=["post"], permission_classes=[IsAdminUser])
        def wipe(self, request, pk):
            return Response([self.detail, self.basename])

        @wipe.mapping.delete
        def unwipe(self, request, pk):
            return Response(request.method)

    ada = await User.objects.acreate_user("ada")
    async with client(Own, user=ada) as socket:
        assert (await reply_to(socket, "wipe", parameters={"pk": 1}))[0] == 403
        assert (await reply_to(socket, "unwipe", parameters={"pk": 1}))[0] == 403
    ada.is_staff = True
    async with client(Own, user=ada) as socket:
        assert await reply_to(socket, "wipe", parameters={"pk": 1}) == (200, [True, "user"])
        assert await reply_to(socket, "unwipe", parameters={"pk": 1}) == (200, "DELETE")


async def test_permissions_of_the_consumer_see_the_method_of_the_view(settings) -> None:
    settings.REST_CHANNELS = {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"]
    }
    async with client(Echo, user=AnonymousUser()) as socket:
        assert (await reply_to(socket, "list"))[0] == 203
        assert (await reply_to(socket, "post"))[0] == 403


async def test_a_frame_cannot_override_the_arguments_of_the_path() -> None:
    class Member(Echo):
        def get(self, request, team, x):
            return self.answer(request, team=team, x=x)

    async with client(Member, kwargs={"team": 1}) as socket:
        _status, reply = await reply_to(socket, "list", parameters={"team": 2, "x": 3})
        assert reply["kwargs"] == {"team": 1, "x": 3}


async def test_an_endless_streaming_response_is_an_error() -> None:
    async def endless(request):
        async def parts():
            while True:
                yield b"x" * 100_000

        return StreamingHttpResponse(parts())

    async def short(request):
        async def parts():
            yield b"str"
            yield b"eam"

        return StreamingHttpResponse(parts())

    async with client(short) as socket:
        assert await reply_to(socket, "list") == (200, "stream")
    async with client(endless) as socket:
        assert (await reply_to(socket, "list"))[0] == 500


async def test_a_view_sees_the_user_of_a_token_sent_by_a_frame(root) -> None:
    class Tokens(TokenAuthentication):
        def authenticate_credentials(self, key):
            return User.objects.get(username=key), key

    settings = {"DEFAULT_AUTHENTICATION_CLASSES": [Tokens]}
    with override_settings(REST_CHANNELS=settings):
        async with client(Echo) as socket:
            assert await reply_to(socket, "authenticate", token="root") == (200, {"user": root.pk})
            assert (await reply_to(socket, "list"))[1]["user"] == "root"


class Echo(APIView):
    def answer(self, request, **kwargs):
        query = {name: request.GET.getlist(name) for name in request.GET}
        reply = {"method": request.method, "data": request.data, "query": query}
        return Response({**reply, "kwargs": kwargs, "user": str(request.user)}, 203)

    get = post = put = patch = answer


async def test_the_parts_of_a_frame_become_those_of_a_request() -> None:
    user = User(username="ada")
    async with client(Echo, user=user, kwargs={"room": 1}) as socket:
        status, reply = await reply_to(
            socket, "create", data={"a": 1}, query={"t": ["x", "y"], "n": 2}, parameters={"pk": 3}
        )
        assert (status, reply["data"], reply["query"]) == (
            203,
            {"a": 1},
            {"t": ["x", "y"], "n": [2]},
        )
        assert (reply["kwargs"], reply["user"]) == ({"room": 1, "pk": 3}, "ada")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("create", "PUT"),
        ("update", "PATCH"),
        ("list", "GET"),
        ("retrieve", "GET"),
        ("post", "POST"),
    ],
)
async def test_actions_of_other_views_are_methods_as_documented(name, method) -> None:
    async with client(Echo) as socket:
        assert (await reply_to(socket, name))[1]["method"] == method


async def test_a_mapping_replaces_the_documented_methods() -> None:
    async with client(Echo, {"say": "POST"}) as socket:
        assert (await reply_to(socket, "say"))[1]["method"] == "POST"
        assert (await reply_to(socket, "fly"))[0] == 405
        assert (await reply_to(socket, "delete"))[0] == 405


class Plain(View):
    def get(self, request):
        if "missing" in request.GET:
            raise Http404
        kinds = {
            "text": HttpResponse("hello", status=201),
            "json": JsonResponse({"a": 1}),
            "bytes": HttpResponse(b"\xff\x00"),
            "stream": FileResponse([b"str", b"eam"]),
        }
        return kinds[request.GET["kind"]]


async def test_a_response_without_data_is_sent_as_text_or_else_as_hexadecimal() -> None:
    async with client(Plain.as_view()) as socket:
        assert await reply_to(socket, "list", query={"kind": "text"}) == (201, "hello")
        assert await reply_to(socket, "list", query={"kind": "json"}) == (200, '{"a": 1}')
        assert await reply_to(socket, "list", query={"kind": "bytes"}) == (200, "ff00")
        assert await reply_to(socket, "list", query={"kind": "stream"}) == (200, "stream")
        assert await reply_to(socket, "list", query={"missing": 1}) == (404, ["Not found"])
        assert (await reply_to(socket, "list", query={"kind": "?"}))[0] == 500
        assert (await reply_to(socket, "post"))[0] == 405


async def test_function_views_may_be_sync_or_async() -> None:
    @api_view(["GET"])
    def drf(request):
        return Response(request.method)

    async def plain(request):
        return HttpResponse(request.META["REMOTE_ADDR"] + request.COOKIES["c"])

    async with client(drf) as socket:
        assert await reply_to(socket, "list") == (200, "GET")
    async with client(plain, headers=[("cookie", "c=1")]) as socket:
        assert await reply_to(socket, "list") == (200, "127.0.0.11")


@pytest.mark.parametrize("frame", [{"query": 7}, {"parameters": []}, {"x": 1}])
async def test_an_unknown_part_of_a_request_is_a_400_that_names_it(frame) -> None:
    async with client(Echo) as socket:
        status, [errors] = await reply_to(socket, "list", **frame)
        assert (status, errors.keys()) == (400, frame.keys())


@pytest.mark.parametrize("value", [True, None, 1.0, [1], {"gte": 1}])
async def test_an_argument_that_no_path_could_have_is_a_400(root, value) -> None:
    async with client(UserViewSet, user=root) as socket:
        status, [errors] = await reply_to(socket, "retrieve", parameters={"pk": value})
        assert (status, errors["parameters"].keys()) == (400, {"pk"})


@pytest.mark.parametrize("name", ["retrieve", "delete", "rename"])
async def test_a_key_in_every_path_is_required(root, name) -> None:
    async with client(UserViewSet, user=root) as socket:
        status, [errors] = await reply_to(socket, name, parameters={})
        assert (status, errors["parameters"].keys()) == (400, {"pk"})
        assert (await reply_to(socket, "list", parameters={}))[0] == 200


async def test_a_viewset_that_overrides_get_object_needs_no_key(root) -> None:
    class Me(UserViewSet):
        def get_object(self):
            return self.request.user

    async with client(Me, user=root) as socket:
        assert (await reply_to(socket, "retrieve"))[1]["username"] == "root"


@pytest.mark.parametrize("view", [UserViewSet, UserViewSet.as_view({"get": "list"})])
async def test_a_mapping_that_is_given_names_all_actions(view, root) -> None:
    async with client(view, {"list": "GET"}, user=root) as socket:
        assert (await reply_to(socket, "list"))[0] == 200
        for other in ("get", "delete", "retrieve"):
            assert (await reply_to(socket, other, parameters={"pk": root.pk}))[0] == 405


async def test_parameters_that_the_view_does_not_take_leave_the_connection_open() -> None:
    async with client(Plain) as socket:
        assert (await reply_to(socket, "list", parameters={"self": 1}))[0] == 400
        assert (await reply_to(socket, "list", parameters={"x": 1}))[0] == 400
        assert (await reply_to(socket, "list", query={"kind": "text"}))[0] == 201


def test_wrapping_something_that_is_no_view_raises_an_error() -> None:
    with pytest.raises(ImproperlyConfigured, match="takes a view, not 7"):
        view_as_consumer(7)
    assert issubclass(view_as_consumer(Plain).consumer_class, DjangoViewAsConsumer)


async def test_views_are_throttled(settings) -> None:
    class RejectAll(BaseThrottle):
        def allow_request(self, request, view):
            return False

    def secret(request):
        return HttpResponse("the secret")

    settings.REST_CHANNELS = {"DEFAULT_THROTTLE_CLASSES": [RejectAll]}
    async with client(secret) as socket:
        assert (await reply_to(socket, "list"))[0] == 429
