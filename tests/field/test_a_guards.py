"""A guard that is written is honoured, or refused when its class is created."""

import asyncio

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save
from django.test import override_settings
from rest_framework import decorators as drf_decorators
from rest_framework import throttling
from rest_framework.authentication import TokenAuthentication
from rest_framework.mixins import ListModelMixin as DrfListModelMixin
from rest_framework.permissions import BasePermission as DrfBasePermission
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action, detached, socket_route
from rest_channels.generics import GenericAsyncAPIConsumer
from rest_channels.mixins import ListModelMixin
from rest_channels.multiplexer import Multiplexer
from rest_channels.observer import model_observer, observer
from rest_channels.permissions import AllowAny, BasePermission
from rest_channels.permissions import IsAuthenticated as ConsumerIsAuthenticated
from rest_channels.protocol.dialects import MethodDialect
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView
from sockets import SocketRouter
from sockets.handlers import RoutedSocketHandler

PLAIN, STAFF = User(pk=1, username="plain"), User(pk=2, username="staff", is_staff=True)


def client(application, user=PLAIN):
    return SocketCommunicator(application, user=user, dialect="action")


async def answer(socket, name, **frame):
    await socket.send_json({"action": name, "request_id": 1, **frame})
    return await socket.receive_json()


async def status_of(socket, name, **frame):
    return (await answer(socket, name, **frame))["response_status"]


# Options of `@action`.


async def test_permission_classes_of_an_action_refuse_a_plain_user() -> None:
    class Desk(AsyncAPIConsumer):
        @action(permission_classes=[IsAdminUser])
        async def purge(self):
            return None, 200

        @action()
        async def look(self):
            return None, 200

    async with client(Desk.as_asgi()) as plain, client(Desk.as_asgi(), STAFF) as staff:
        assert [await status_of(plain, name) for name in ("purge", "look")] == [403, 200]
        assert [await status_of(staff, name) for name in ("purge", "look")] == [200, 200]


async def test_permission_classes_of_an_action_replace_those_of_the_class() -> None:
    class Desk(AsyncAPIConsumer):
        permission_classes = [IsAdminUser]

        def connect(self): ...

        async def websocket_connect(self, message):
            self.permission_classes = []
            await super().websocket_connect(message)
            del self.permission_classes

        @action(permission_classes=[])
        async def look(self):
            return [each.__name__ for each in self.permission_classes], 200

        @action()
        async def purge(self):
            return None, 200

    async with client(Desk.as_asgi(), AnonymousUser()) as socket:
        assert (await answer(socket, "look"))["data"] == []
        assert await status_of(socket, "purge") == 403
    assert Desk.permission_classes == [IsAdminUser]


async def test_an_attribute_of_the_instance_does_not_undo_the_permissions_of_an_action() -> None:
    class Desk(AsyncAPIConsumer):
        @action(permission_classes=[IsAdminUser])
        async def purge(self):
            return None, 200

    async with client(Desk.as_asgi(permission_classes=[])) as socket:
        assert await status_of(socket, "purge") == 403


async def test_a_subclass_keeps_the_permissions_of_an_action_and_has_its_own() -> None:
    class Desk(AsyncAPIConsumer):
        @action(permission_classes=[IsAdminUser])
        async def purge(self):
            return None, 200

    class Counter(Desk):
        permission_classes = [IsAuthenticated]

        @action()
        async def look(self):
            return None, 200

    async with client(Counter.as_asgi()) as plain:
        assert [await status_of(plain, name) for name in ("purge", "look")] == [403, 200]


async def test_detached_actions_that_run_together_have_each_their_own_options() -> None:
    both = asyncio.Event()

    class Desk(AsyncAPIConsumer):
        throttle_scope = "usual"

        @action(detached=True, throttle_scope="slow")
        async def slow(self):
            await both.wait()
            return self.throttle_scope, 200

        @action(throttle_scope="quick")
        async def quick(self):
            both.set()
            return self.throttle_scope, 200

    async with client(Desk.as_asgi()) as socket:
        await socket.send_json({"action": "slow"})
        await socket.send_json({"action": "quick"})
        answers = [await socket.receive_json() for _ in range(2)]
    assert {each["action"]: each["data"] for each in answers} == {"slow": "slow", "quick": "quick"}


class Never(throttling.BaseThrottle):
    def allow_request(self, request, view):
        return False


async def test_throttle_classes_of_an_action_are_counted() -> None:
    class Desk(AsyncAPIConsumer):
        @action(throttle_classes=[Never])
        async def purge(self):
            return None, 200

        @action()
        async def look(self):
            return None, 200

    async with client(Desk.as_asgi()) as socket:
        assert [await status_of(socket, name) for name in ("purge", "look")] == [429, 200]


class Names(ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class Keys(ModelSerializer):
    class Meta:
        model = User
        fields = ["id"]


class OnlyAda:
    def filter_queryset(self, request, queryset, view):
        return queryset.filter(username="ada")


@pytest.mark.django_db(transaction=True)
async def test_an_action_may_have_a_queryset_a_serializer_and_filters_of_its_own() -> None:
    class People(GenericAsyncAPIConsumer):
        queryset = User.objects.none()
        serializer_class = Keys
        lookup_field = "pk"

        @action(queryset=User.objects.all(), serializer_class=Names, filter_backends=[OnlyAda])
        def adas(self):
            rows = self.filter_queryset(self.get_queryset())
            return self.get_serializer(rows, many=True).data, 200

        @action(queryset=User.objects.all(), lookup_field="username")
        def find(self, username):
            return self.get_serializer(self.get_object(username=username)).data, 200

    ada = await User.objects.acreate(username="ada")
    await User.objects.acreate(username="bob")
    async with client(People.as_asgi()) as socket:
        assert (await answer(socket, "adas"))["data"] == [{"username": "ada"}]
        assert (await answer(socket, "find", username="ada"))["data"] == {"id": ada.pk}


class IsOpen(DrfBasePermission):
    closed = False

    def has_permission(self, request, view):
        return not IsOpen.closed


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["rows", "signal"])
async def test_deliveries_are_checked_with_the_permissions_of_the_action_that_subscribed(
    kind, monkeypatch
) -> None:
    class Desk(AsyncAPIConsumer):
        check_deliveries = True
        rows = model_observer(User)

        @observer(post_save, sender=User)
        async def signal(self, message, **kwargs):
            await self.send_json("saved")

        @action(permission_classes=[IsOpen])
        async def watch(self, request_id):
            await getattr(self, kind).subscribe(request_id=request_id)
            return None, 201

    async with client(Desk.as_asgi()) as socket:
        assert await status_of(socket, "watch") == 201
        await User.objects.acreate(username="ada")
        assert await socket.receive_json()
        monkeypatch.setattr(IsOpen, "closed", True)
        await User.objects.acreate(username="bob")
        assert (await socket.receive_json())["response_status"] == 403
        monkeypatch.setattr(IsOpen, "closed", False)
        await User.objects.acreate(username="eve")
        await socket.expect_nothing()


async def test_an_action_may_set_an_attribute_that_its_class_has() -> None:
    class Desk(AsyncAPIConsumer):
        colour = "red"

        @action(colour="blue")
        async def paint(self):
            return self.colour, 200

    async with client(Desk.as_asgi()) as socket:
        assert (await answer(socket, "paint"))["data"] == "blue"
    assert Desk().colour == "red"


@pytest.mark.parametrize(
    ("options", "error_text"),
    [
        ({"atomc": True}, "Known: atomic, detached, name"),
        ({"permision_classes": [IsAdminUser]}, "permission_classes"),
        ({"methods": ["post"]}, "http_method="),
        ({"url_path": "x"}, "write name="),
        ({"url_name": "x"}, "write name="),
        ({"authentication_classes": []}, "in the class"),
        ({"renderer_classes": []}, "frames are JSON"),
        ({"permission_classes": "IsAdminUser"}, "not a list of classes"),
        ({"permission_classes": IsAdminUser}, "write [IsAdminUser]"),
        ({"throttle_classes": [Never()]}, "without parentheses"),
        ({"queryset": User}, "User.objects.all()"),
        ({"serializer_class": Names()}, "is not a class"),
        ({"atomic": "yes"}, "True or False"),
        ({"detached": 1}, "True or False"),
        ({"detail": "yes"}, "True or False"),
        ({"name": ""}, "as text"),
        ({"name": 5}, "as text"),
        ({"http_method": "get"}, "'GET'"),
        ({"pagination_class": None}, "PaginatedModelListMixin"),
        ({"close": 1}, "has no effect"),
    ],
)
def test_an_option_of_an_action_that_cannot_be_honoured_is_a_type_error(
    options, error_text
) -> None:
    with pytest.raises(TypeError) as raised:

        class Desk(AsyncAPIConsumer):
            @action(**options)
            async def purge(self): ...

    assert error_text in str(raised.value)


def test_a_list_of_methods_as_in_drf_is_refused() -> None:
    with pytest.raises(TypeError, match="http_method="):
        action(["post"])


@pytest.mark.parametrize("name", ["permission_classes", "throttle_classes"])
def test_drfs_decorators_of_function_views_are_refused_on_methods(name) -> None:
    with pytest.raises(TypeError, match=rf"@action\({name}="):

        class Desk(AsyncAPIConsumer):
            @action()
            @getattr(drf_decorators, name)([])
            async def purge(self): ...


@pytest.mark.parametrize("kind", [classmethod, staticmethod, property])
def test_an_action_is_a_method_with_self(kind) -> None:
    with pytest.raises(TypeError, match="methods with self"):
        action()(kind(lambda self: None))


# Class attributes.

WRONG = {
    "permission_classes": [
        "IsAuthenticated",
        IsAuthenticated,
        IsAuthenticated | IsAdminUser,
        [IsAuthenticated()],
        ["rest_framework.permissions.IsAuthenticated"],
        [TokenAuthentication],
        [None],
        (each for each in [IsAuthenticated]),
        lambda self: [IsAuthenticated],
        True,
    ],
    "throttle_classes": [Never, [IsAuthenticated], "Never"],
    "check_deliveries": ["yes", 1],
    "queryset": [User, [User]],
    "serializer_class": ["Names", [Names], User()],
    "filter_backends": [OnlyAda, [OnlyAda()], None],
    "lookup_field": [None, 5],
    "pagination_class": ["Pages", [Names], Names],
    "groups": ["lobby", [5], 7, (each for each in ["lobby"])],
    "observer_many_to_many_relationships": ["yes"],
    "authentication_classes": [TokenAuthentication, [IsAuthenticated], [TokenAuthentication()]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_of_a_class_attribute_is_an_error_that_names_it(name, value) -> None:
    with pytest.raises(TypeError, match=name):
        type("Desk", (ModelConsumer,), {name: value, "__module__": __name__})


@pytest.mark.parametrize("value", [(), [], [IsAdminUser], [IsAuthenticated & ~IsAdminUser], None])
def test_the_values_that_drf_takes_are_taken(value) -> None:
    type("Desk", (ModelConsumer,), {"permission_classes": value, "__module__": __name__})


def test_a_property_may_compute_permission_classes() -> None:
    class Desk(AsyncAPIConsumer):
        @property
        def permission_classes(self):
            return [IsAdminUser]

    assert Desk().permission_classes == [IsAdminUser]


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (AsyncAPIConsumer, "permision_classes"),
        (AsyncAPIConsumer, "permissions_classes"),
        (AsyncAPIConsumer, "permission_class"),
        (AsyncAPIConsumer, "permissionClasses"),
        (AsyncAPIConsumer, "throtle_classes"),
        (AsyncAPIConsumer, "authentification_classes"),
        (ModelConsumer, "serialiser_class"),
        (ModelConsumer, "query_set"),
        (ModelConsumer, "filter_backend"),
        (RoutedSocketHandler, "login_requierd"),
        (RoutedSocketHandler, "loginrequired"),
        (SocketView, "premission_classes"),
    ],
)
def test_a_misspelt_attribute_is_an_error_that_names_the_right_one(base, name) -> None:
    with pytest.raises(TypeError, match=rf"{name} has no effect. Did you mean \w+\?"):
        type("Desk", (base,), {name: [], "__module__": __name__})


@pytest.mark.parametrize(
    "name",
    ["get_permission", "get_permisions", "check_permision", "get_querysett", "perfrom_create"],
)
def test_a_misspelt_hook_is_an_error(name) -> None:
    with pytest.raises(TypeError, match="Did you mean"):
        type("Desk", (ModelConsumer,), {name: lambda self: [], "__module__": __name__})


@pytest.mark.parametrize(
    "name",
    ["colour", "router", "get_objects", "GROUPS", "group", "chat_line", "permitted", "sender"],
)
def test_attributes_and_methods_of_a_project_are_left_alone(name) -> None:
    type("Desk", (ModelConsumer,), {name: lambda self: [], "__module__": __name__})


def test_data_may_have_the_name_of_a_hook_and_a_method_that_of_an_attribute() -> None:
    class Desk(AsyncAPIConsumer):
        initial = {"count": 0}

        async def schema(self, event): ...

    class Page(SocketView):
        def schema(self): ...


def test_a_misspelt_method_of_a_permission_is_an_error() -> None:
    with pytest.raises(TypeError, match="Did you mean can_connect"):

        class Closed(BasePermission):
            async def can_conect(self, scope, consumer): ...


def test_a_guard_in_a_mixin_counts_as_one_in_the_class() -> None:
    class Secured:
        login_required = True

    with pytest.raises(TypeError, match=r"Secured\.login_required has no effect in Desk"):

        class Desk(Secured, AsyncAPIConsumer): ...


@pytest.mark.parametrize(
    ("base", "name", "value"),
    [
        (SocketConsumer, "permission_classes", [IsAuthenticated]),
        (RoutedSocketHandler, "permission_classes", [IsAuthenticated]),
        (SocketConsumer, "throttle_classes", [Never]),
        (SocketConsumer, "get_permissions", lambda self: [IsAuthenticated()]),
        (SocketConsumer, "login_required", True),
        (SocketView, "login_required", True),
        (SocketView, "authentication_classes", [TokenAuthentication]),
        (SocketView, "groups", ["lobby"]),
        (AsyncAPIConsumer, "filter_backends", [OnlyAda]),
        (AsyncAPIConsumer, "channel_layer_alias", "other"),
        (AsyncAPIConsumer, "parser_classes", []),
        (AsyncAPIConsumer, "permission_required", "app.change"),
        (AsyncAPIConsumer, "available_actions", {}),
        (AsyncAPIConsumer, "initial", lambda self, request: None),
        (AsyncAPIConsumer, "check_throttles", lambda self, request: None),
        (ModelConsumer, "perform_destroy", lambda self, instance: None),
        (ModelConsumer, "destroy", lambda self, request: None),
        (ModelConsumer, "dispatch", lambda self, message: None),
    ],
)
def test_a_name_that_its_class_does_not_read_is_refused(base, name, value) -> None:
    with pytest.raises(TypeError, match=f"Desk.{name} has no effect"):
        type("Desk", (base,), {name: value, "__module__": __name__})


def test_a_list_without_pages_refuses_a_pagination_class() -> None:
    with pytest.raises(TypeError, match="PaginatedModelListMixin"):

        class People(ListModelMixin, GenericAsyncAPIConsumer):
            pagination_class = None


@pytest.mark.parametrize(
    "base", [SocketView, SocketConsumer, AsyncAPIConsumer, RoutedSocketHandler]
)
@pytest.mark.parametrize(
    "mixin", [LoginRequiredMixin, DrfListModelMixin, AsyncJsonWebsocketConsumer, APIView]
)
def test_a_base_of_another_package_that_would_guard_nothing_is_refused(base, mixin) -> None:
    with pytest.raises(TypeError, match="which has no effect"):
        type("Desk", (mixin, base), {"__module__": __name__})


@pytest.mark.parametrize("permission", [ConsumerIsAuthenticated, AllowAny])
def test_a_view_refuses_permissions_that_are_for_consumers(permission) -> None:
    with pytest.raises(TypeError, match=r"write a class of rest_framework\.permissions"):
        type("Desk", (SocketView,), {"permission_classes": [permission], "__module__": __name__})
    with pytest.raises(TypeError, match=r"write a class of rest_framework\.permissions"):
        SocketView.as_asgi(permission_classes=[permission])


def test_the_alias_of_the_layer_in_use_is_accepted() -> None:
    class Chat(SocketConsumer):
        channel_layer_alias = "default"

    assert get_channel_layer(Chat.channel_layer_alias) is get_channel_layer()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("permissions", [IsAdminUser]),
        ("throttles", [Never]),
        ("authenticators", [TokenAuthentication]),
        ("filters", [OnlyAda]),
    ],
)
def test_a_list_of_guards_under_another_name_is_refused(name, value) -> None:
    with pytest.raises(TypeError, match="Did you mean"):
        type("Desk", (ModelConsumer,), {name: value, "__module__": __name__})
    type("Desk", (ModelConsumer,), {name: {"lobby": "read"}, "__module__": __name__})


@pytest.mark.parametrize("base", [SocketConsumer, SocketView, RoutedSocketHandler])
def test_an_observer_is_refused_where_nobody_can_subscribe(base) -> None:
    with pytest.raises(TypeError, match=r"Desk\.users has no effect"):
        type("Desk", (base,), {"users": model_observer(User), "__module__": __name__})


@override_settings(REST_CHANNELS={"MAX_SOCKETS": 0})
async def test_a_refusal_has_the_dialect_that_as_asgi_was_given() -> None:
    class Desk(SocketView):
        pass

    async with SocketCommunicator(Desk.as_asgi(dialect=MethodDialect())) as socket:
        assert (await socket.receive_json())["method"] is None


@pytest.mark.parametrize("value", ["action", None, type(SocketView.dialect)])
def test_a_wrong_dialect_is_refused(value) -> None:
    with pytest.raises(TypeError, match="is no dialect"):
        type("Desk", (SocketView,), {"dialect": value, "__module__": __name__})


# Arguments of `as_asgi()`.


async def test_permission_classes_given_to_as_asgi_are_honoured() -> None:
    class Desk(AsyncAPIConsumer):
        @action()
        async def look(self):
            return None, 200

    socket = client(Desk.as_asgi(permission_classes=[IsAdminUser]))
    assert (await socket.connect())[0] is False
    await socket.disconnect()


@pytest.mark.parametrize("base", [SocketConsumer, ModelConsumer, SocketView])
@pytest.mark.parametrize(
    "initkwargs",
    [
        {"permision_classes": [IsAdminUser]},
        {"permission_classes": "IsAdminUser"},
        {"check_deliveries": True},
        {"dispatch": None},
        {"_connection": None},
    ],
)
def test_as_asgi_refuses_what_it_cannot_set(base, initkwargs) -> None:
    with pytest.raises(TypeError, match=next(iter(initkwargs))):
        base.as_asgi(**initkwargs)


async def test_as_asgi_passes_arguments_to_an_init_of_the_project() -> None:
    class Room(SocketConsumer):
        def __init__(self, room):
            super().__init__()
            self.room = room

        async def receive_json(self, content):
            await self.send_json(self.room)

    async with SocketCommunicator(Room.as_asgi(room="a")) as socket:
        await socket.send_json(None)
        await socket.expect_event("a")
    with pytest.raises(TypeError, match="room"):
        Room.as_asgi(rom="a")


# Marks off their classes.


@pytest.mark.parametrize("base", [SocketView, SocketRouteView, SocketConsumer, RoutedSocketHandler])
@pytest.mark.parametrize("mark", [action(), detached])
def test_marks_of_actions_are_refused_in_other_classes(base, mark) -> None:
    async def work(self): ...

    with pytest.raises(TypeError, match="is for methods of an AsyncAPIConsumer"):
        type("Desk", (base,), {"work": mark(work), "__module__": __name__})


@pytest.mark.parametrize("base", [SocketView, SocketConsumer, AsyncAPIConsumer])
def test_a_socket_route_is_refused_in_other_classes(base) -> None:
    with pytest.raises(TypeError, match="is for methods of a SocketRouteView"):
        type("Desk", (base,), {"save": socket_route(lambda self: None), "__module__": __name__})


async def test_a_detached_helper_event_method_and_receive_json_let_the_caller_continue() -> None:
    first = asyncio.Event()

    class Desk(AsyncAPIConsumer):
        @action()
        async def start(self):
            await self.helper()
            return None, 200

        @detached
        async def helper(self):
            await first.wait()
            await self.send_json("helper")

        @detached
        async def desk_news(self, event):
            await first.wait()
            await self.send_json("news")

        @action()
        async def finish(self):
            first.set()
            return len(self.detached_tasks), 200

    async with client(Desk.as_asgi()) as socket:
        assert await status_of(socket, "start") == 200
        await socket.send_json({"action": "finish"})
        frames = [await socket.receive_json() for _ in range(2)]
    assert "helper" in frames
    assert any(isinstance(each, dict) and each["data"] == 1 for each in frames)


async def test_a_detached_receive_json_handles_the_next_frame_meanwhile() -> None:
    second = asyncio.Event()

    class Desk(AsyncAPIConsumer):
        @detached
        async def receive_json(self, content):
            if content == 1:
                await second.wait()
            second.set()
            await self.send_json(content)

    async with client(Desk.as_asgi()) as socket:
        await socket.send_json(1)
        await socket.send_json(2)
        assert sorted([await socket.receive_json(), await socket.receive_json()]) == [1, 2]


async def test_a_detached_helper_ends_with_its_connection_and_its_errors_are_logged(caplog) -> None:
    ended = asyncio.Event()

    class Desk(AsyncAPIConsumer):
        @action()
        async def start(self):
            await self.fail()
            await self.wait()
            return None, 200

        @detached
        async def fail(self):
            raise ValueError("lost")

        @detached
        async def wait(self):
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with client(Desk.as_asgi()) as socket:
        assert await status_of(socket, "start") == 200
    await asyncio.wait_for(ended.wait(), 5)
    assert "Desk.fail failed" in caplog.text.replace("<locals>.", "")


# Routers, multiplexers and applications.


@pytest.mark.django_db(transaction=True)
async def test_login_required_set_on_a_router_refuses_anonymous_clients() -> None:
    router = SocketRouter()
    router.login_required = True

    @router.route("ECHO")
    def echo(socket, content):
        socket.send_action("ECHO")

    async with SocketCommunicator(router.as_asgi(), user=AnonymousUser()) as socket:
        await socket.send_json({"type": "ECHO"})
        assert (await socket.receive_json())["type"] == "RECONNECT"


@pytest.mark.parametrize("name", ["login_requierd", "permission_classes", "connect", "Handler"])
def test_an_attribute_that_a_router_cannot_set_is_an_error_naming_those_it_can(name) -> None:
    router = SocketRouter()
    with pytest.raises(AttributeError, match="login_required or groups"):
        setattr(router, name, True)


@pytest.mark.parametrize(("name", "value"), [("login_required", "yes"), ("groups", "lobby")])
def test_a_wrong_value_of_a_routers_attribute_is_an_error(name, value) -> None:
    with pytest.raises(TypeError, match=name):
        setattr(SocketRouter(), name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("permission_classes", []), ("login_required", "yes"), ("login_requierd", 1)],
)
def test_a_class_of_routers_is_checked_too(name, value) -> None:
    with pytest.raises(TypeError, match=f"Own.{name} "):
        type("Own", (SocketRouter,), {name: value, "__module__": __name__})


@pytest.mark.parametrize("handler", [SocketConsumer, "Handler", 5])
def test_a_router_takes_only_a_handler(handler) -> None:
    with pytest.raises(TypeError, match="takes a RoutedSocketHandler"):
        SocketRouter(handler)


def test_a_route_of_a_router_takes_only_a_serializer_class() -> None:
    with pytest.raises(TypeError, match="serializer_class"):
        SocketRouter().route("MOVE", serializer_class="MoveSerializer")


@pytest.mark.parametrize("stream", [SocketConsumer, "Chat", None])
def test_a_multiplexer_takes_only_applications(stream) -> None:
    with pytest.raises(TypeError, match="as_asgi"):
        Multiplexer(chat=stream)


@pytest.mark.parametrize("name", ["permission_classes", "login_required", "throttle_classes"])
def test_a_guard_on_a_multiplexer_is_refused_because_streams_have_their_own(name) -> None:
    with pytest.raises(TypeError, match=f"Site.{name} has no effect"):
        type("Site", (Multiplexer,), {name: [], "__module__": __name__})


def test_a_site_takes_only_an_application_for_http() -> None:
    with pytest.raises(ImproperlyConfigured, match="get_asgi_application"):
        SocketApplication([], http="config.asgi.application")
