"""`AsyncAPIConsumer`: frames name an action; answers have the format of DCRF."""

import asyncio
import gc
import json
import time
import weakref

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404
from rest_framework import permissions as drf
from rest_framework.exceptions import PermissionDenied, Throttled, ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.throttling import BaseThrottle

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, detached, detail_action, list_action
from rest_channels.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator
from tests.replies import reply


class ExampleConsumer(AsyncAPIConsumer):
    @action()
    async def an_async_action(self, some=None, **kwargs):
        return {"response with": some}, 200

    @action()
    def a_sync_action(self, pk=None, **kwargs):
        return {"response with": pk}, 200

    @action()
    def exact(self, pk, size=1):
        return [pk, size], 202

    @action(name="renamed")
    def other(self, **kwargs):
        return sorted(kwargs), 200

    @action()
    async def silent(self):
        return None

    @action()
    async def wrong(self):
        return {"no": "status"}

    @action()
    def raising(self, what):
        raise {
            "404": Http404("x"),
            "403": PermissionDenied("Not yours."),
            "400": ValidationError({"size": ["Too big."]}),
            "list": ValidationError(["One.", "Two."]),
            "500": ValueError("the secret is 42"),
        }[what]

    def helper(self):
        raise AssertionError("No frame may reach this.")


def client(consumer=ExampleConsumer, **kwargs):
    return SocketCommunicator(consumer.as_asgi(), dialect="action", **kwargs)


async def answer(socket, **frame):
    await socket.send_json(frame)
    return await socket.receive_json()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"action": "an_async_action", "some": 1}, ("an_async_action", {"response with": 1})),
        ({"action": "a_sync_action", "pk": 2}, ("a_sync_action", {"response with": 2})),
        ({"action": "exact", "pk": 3}, ("exact", [3, 1], 202)),
        ({"action": "renamed", "x": 1}, ("renamed", ["action", "request_id", "x"])),
    ],
)
async def test_an_action_is_answered_with_its_return_value(frame, expected) -> None:
    async with client() as socket:
        assert await answer(socket, request_id=1, **frame) == reply(*expected)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({}, (None, None, 405, ["Unable to find action in message body."])),
        ({"action": "fly"}, ("fly", None, 405, ['Method "fly" not allowed.'])),
        ({"action": "helper"}, ("helper", None, 405, ['Method "helper" not allowed.'])),
        ({"action": "other"}, ("other", None, 405, ['Method "other" not allowed.'])),
        ({"action": "raising", "what": "404"}, ("raising", None, 404, ["Not found"])),
        ({"action": "raising", "what": "403"}, ("raising", None, 403, ["Not yours."])),
        ({"action": "raising", "what": "400"}, ("raising", None, 400, [{"size": ["Too big."]}])),
        ({"action": "raising", "what": "list"}, ("raising", None, 400, ["One.", "Two."])),
    ],
)
async def test_an_error_answer_has_a_status_and_errors(frame, expected) -> None:
    async with client() as socket:
        assert await answer(socket, request_id=1, **frame) == reply(*expected)
        assert (await answer(socket, action="exact", pk=1))["response_status"] == 202


async def test_an_unexpected_error_is_a_500_without_details() -> None:
    async with client() as socket:
        refused = await answer(socket, action="raising", what="500", request_id=1)
        assert refused == reply("raising", None, 500, ["A server error occurred."])


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        ({}, {"pk": ["This argument is required."]}),
        (
            {"pk": 1, "colour": 2, "age": 3},
            {
                "age": ["There is no such argument."],
                "colour": ["There is no such argument."],
            },
        ),
        ({"pk": 1, "self": 2}, {"self": ["There is no such argument."]}),
        ({"pk": 1, "__class__": 2}, {"__class__": ["There is no such argument."]}),
    ],
)
async def test_an_error_frame_names_missing_and_surplus_arguments(arguments, errors) -> None:
    async with client() as socket:
        refused = await answer(socket, action="exact", request_id=1, **arguments)
        assert refused == reply("exact", None, 400, [errors])


@pytest.mark.parametrize("key", ["scope", "consumer", "message", "request", "kwargs", "__class__"])
async def test_a_key_of_a_client_never_replaces_an_argument_of_the_library(key) -> None:
    class Guarded(ExampleConsumer):
        permission_classes = [IsAuthenticated | AllowAny]

    async with client(Guarded) as socket:
        received = await answer(socket, action="renamed", request_id=1, **{key: "evil"})
        assert received == reply("renamed", sorted(["action", key, "request_id"]))


@pytest.mark.parametrize("name", [None, 7, ["exact"], {"a": 1}, "x" * 10_000, "", "__init__"])
async def test_an_action_that_is_not_a_known_name_is_answered_with_405(name) -> None:
    async with client() as socket:
        refused = await answer(socket, action=name, request_id=1)
        assert (refused["response_status"], refused["data"]) == (405, None)


@pytest.mark.parametrize("request_id", [None, "a", 1.5, [1, {"b": 2}], {"c": None}])
async def test_an_answer_has_the_request_id_of_the_frame_of_any_type(request_id) -> None:
    async with client() as socket:
        received = await answer(socket, action="exact", pk=1, request_id=request_id)
        assert received["request_id"] == request_id


async def test_an_action_that_returns_nothing_is_not_answered(caplog) -> None:
    async with client() as socket:
        await socket.send_json({"action": "silent"})
        await socket.send_json({"action": "wrong"})
        await socket.expect_nothing()
    assert "ExampleConsumer.wrong returned {'no': 'status'}, which is not sent" in caplog.text


async def test_actions_can_be_awaited_directly() -> None:
    @action()
    def sync_action(consumer):
        return "done"

    @action()
    async def async_action(consumer):
        return "done"

    assert await sync_action(None) == await async_action(None) == "done"


async def test_older_names_of_the_decorator_work() -> None:
    class OldDecorators(AsyncAPIConsumer):
        @detail_action()
        def one(self, pk):
            return pk, 200

        @list_action()
        def many(self):
            return [], 200

        @action
        def bare(self):
            return "bare", 200

    async with client(OldDecorators) as socket:
        assert (await answer(socket, action="one", pk=1))["data"] == 1
        assert (await answer(socket, action="many"))["data"] == []
        assert (await answer(socket, action="bare"))["data"] == "bare"


def test_impossible_decorator_arguments_raise_an_error_when_the_class_is_defined() -> None:
    with pytest.raises(ValueError, match="only a def can be atomic"):

        @action(atomic=True)
        async def f(self): ...

    with pytest.raises(ValueError, match="only an async def can be detached"):

        @action(detached=True)
        def g(self): ...

    with pytest.raises(ValueError, match="only an async def can be detached"):

        @detached
        def h(self): ...

    with pytest.raises(TypeError, match="would hide a method that every consumer has"):

        class Hiding(AsyncAPIConsumer):
            @action()
            def send_json(self): ...


# Detached.


class Slow(AsyncAPIConsumer):
    cancelled = 0

    @action(detached=True)
    async def wait(self, seconds=60, **kwargs):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            type(self).cancelled += 1
            raise
        return "waited", 200

    @action()
    @detached
    async def fail(self):
        raise PermissionDenied("Not now.")

    @action()
    def quick(self):
        return "quick", 200


async def test_a_detached_action_delays_no_frame_and_answers_when_it_is_done() -> None:
    async with client(Slow) as socket:
        await socket.send_json({"action": "wait", "seconds": 0.05, "request_id": 1})
        assert (await answer(socket, action="quick"))["data"] == "quick"
        assert await socket.receive_json() == reply("wait", "waited")
        assert await answer(socket, action="fail", request_id=1) == reply(
            "fail", None, 403, ["Not now."]
        )


async def test_ten_detached_actions_are_cancelled_when_their_client_leaves() -> None:
    Slow.cancelled = 0
    async with client(Slow) as socket:
        for _ in range(10):
            await socket.send_json({"action": "wait"})
        await answer(socket, action="quick")
    assert Slow.cancelled == 10


async def test_a_detached_action_beyond_the_limit_is_answered_with_429(settings) -> None:
    settings.REST_CHANNELS = {"MAX_DETACHED": 2}
    async with client(Slow) as socket:
        for _ in range(2):
            await socket.send_json({"action": "wait"})
        refused = await answer(socket, action="wait", request_id=1)
        assert (refused["response_status"], refused["request_id"]) == (429, 1)


# Permissions.


class EvenKey(BasePermission):
    async def has_permission(self, scope, consumer, action, pk=0, **kwargs):
        return pk % 2 == 0


class NoSyncAction(BasePermission):
    message = "This action is not allowed."

    def has_permission(self, scope, consumer, action):
        return action != "a_sync_action"

    def can_connect(self, scope, consumer, message=None):
        return scope["path"] != "/closed/"


def guarded(*classes):
    return type("Guarded", (ExampleConsumer,), {"permission_classes": classes})


@pytest.mark.parametrize(
    ("classes", "pk", "status"),
    [
        ([AllowAny], 1, 200),
        ([EvenKey], 2, 200),
        ([EvenKey], 1, 403),
        ([~EvenKey], 1, 200),
        ([EvenKey & IsAuthenticated], 2, 403),
        ([EvenKey | IsAuthenticated], 2, 200),
        ([EvenKey | IsAdminUser], 1, 403),
        ([IsAdminUser | ~EvenKey], 1, 200),
        ([~(EvenKey | IsAdminUser)], 1, 200),
        ([NoSyncAction], 1, 403),
        ([EvenKey, NoSyncAction], 2, 403),
    ],
)
async def test_permissions_and_their_combinations_decide_about_an_action(
    classes, pk, status
) -> None:
    async with client(guarded(*classes), user=AnonymousUser()) as socket:
        received = await answer(socket, action="a_sync_action", pk=pk)
        assert received["response_status"] == status


async def test_an_error_frame_has_the_message_of_the_permission_that_denied_the_action() -> None:
    async with client(guarded(NoSyncAction)) as socket:
        refused = await answer(socket, action="a_sync_action", request_id=1)
        assert refused == reply("a_sync_action", None, 403, ["This action is not allowed."])


async def test_a_client_that_may_not_connect_is_refused_before_accepting() -> None:
    socket = client(guarded(NoSyncAction), path="/closed/")
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()
    socket = client(guarded(IsAdminUser), user=User(username="ada"))
    assert (await socket.connect())[0] is False
    await socket.disconnect()
    async with client(guarded(IsAdminUser), user=User(username="root", is_staff=True)):
        pass


def test_the_module_exports_the_names_of_djangochannelsrestframework() -> None:
    assert {"AllowAny", "BasePermission", "IsAuthenticated"} <= set(permissions.__all__)


# What may be overridden.


async def test_a_subclass_may_override_every_step_of_an_action() -> None:
    class EveryStep(ExampleConsumer):
        async def get_action_name(self, content, **kwargs):
            return content.pop("do"), content

        def get_permissions(self, action, **kwargs):
            return [EvenKey()] if action == "exact" else []

        async def handle_exception(self, exc, action, request_id):
            await self.reply(action, errors=[type(exc).__name__], status=418)

        async def reply(self, action, data=None, errors=None, status=200, request_id=None):
            await super().reply(action, {"wrapped": data}, errors, status, request_id)

    async with client(EveryStep) as socket:
        received = await answer(socket, do="exact", pk=2, request_id=1)
        assert received == reply("exact", {"wrapped": [2, 1]}, 202)
        refused = await answer(socket, do="exact", pk=1)
        assert (refused["errors"], refused["response_status"]) == (["PermissionDenied"], 418)


async def test_attributes_that_users_set_replace_the_properties_of_the_library() -> None:
    class OwnAttributes(AsyncAPIConsumer):
        async def connect(self):
            self.kwargs = {"room": 1}
            self.request, self.action = "my request", "my action"

        @action()
        def names(self):
            return [self.kwargs, self.request, str(self.action)], 200

    async with client(OwnAttributes) as socket:
        answered = await answer(socket, action="names")
        assert answered["data"] == [{"room": 1}, "my request", "my action"]


async def test_an_overridden_encode_json_may_be_async_as_in_channels() -> None:
    class AsyncEncoding(ExampleConsumer):
        @classmethod
        async def encode_json(cls, content):
            return json.dumps({"own": content})

    async with client(AsyncEncoding) as socket:
        assert (await answer(socket, action="exact", pk=1))["own"]["data"] == [1, 1]


async def test_groups_of_an_instance_are_those_it_has_joined() -> None:
    class Grouped(AsyncAPIConsumer):
        groups = ["one"]

        @action()
        async def change(self):
            await self.add_group("two")
            await self.remove_group("one")
            return sorted(self.groups), 200

    async with client(Grouped) as socket:
        assert (await answer(socket, action="change"))["data"] == ["two"]
    assert Grouped.groups == ["one"]


async def test_a_permission_without_has_permission_refuses_every_action() -> None:
    class WithoutMethods(BasePermission):
        pass

    async with client(guarded(WithoutMethods)) as socket:
        assert (await answer(socket, action="exact", pk=1))["response_status"] == 403


@pytest.mark.parametrize("error", [Http404(), ValueError("the secret is 42")])
async def test_a_permission_that_fails_at_the_handshake_refuses_it(error) -> None:
    class Failing(BasePermission):
        def can_connect(self, scope, consumer, message=None):
            raise error

    socket = client(guarded(Failing))
    assert await socket.connect() == (False, 1000)
    await socket.disconnect()


async def test_a_consumer_is_notified_when_its_detached_action_ends() -> None:
    class ReportCompletion(Slow):
        async def handle_detached_task_completion(self, task):
            await self.send_json({"ended": task in self.detached_tasks})

    async with client(ReportCompletion) as socket:
        await socket.send_json({"action": "wait", "seconds": 0.01})
        assert (await socket.receive_json())["data"] == "waited"
        assert await socket.receive_json() == {"ended": True}


async def test_an_action_argument_from_get_action_name_is_answered_with_400() -> None:
    class ActionFromDo(ExampleConsumer):
        async def get_action_name(self, content, **kwargs):
            return content.pop("do"), content

    async with client(ActionFromDo) as socket:
        refused = await answer(socket, do="exact", action="x", pk=1)
        assert refused["response_status"] == 400


@pytest.mark.parametrize("error", [SystemExit(), BaseException(), Http404()])
async def test_a_detached_action_that_raises_system_exit_is_answered_and_ends_no_process(
    error,
) -> None:
    class Exiting(AsyncAPIConsumer):
        @action(detached=True)
        async def leave(self):
            raise error

    async with client(Exiting) as socket:
        for number in (1, 2):
            refused = await answer(socket, action="leave", request_id=number)
            assert refused["response_status"] in (404, 500)


@pytest.mark.parametrize("key", ["handler", "self", "token", "action_name", "method", "queue"])
async def test_keys_with_names_that_the_library_uses_are_ordinary_arguments(key) -> None:
    class AnyArguments(AsyncAPIConsumer):
        @action()
        def take(self, **kwargs):
            return sorted(kwargs), 200

    async with client(AnyArguments) as socket:
        received = await answer(socket, action="take", request_id=1, **{key: 1})
        assert received["response_status"] == (400 if key == "self" else 200)
        assert (await answer(socket, action="nope", **{key: 1}))["response_status"] == 405


async def test_permissions_are_called_with_keywords_and_need_no_base_class() -> None:
    class Keywords(BasePermission):
        async def has_permission(self, *, consumer, action, scope, **kwargs):
            return action == "exact"

        async def can_connect(self, consumer, scope):
            return True

    class WithoutBaseClass:
        def has_permission(self, scope, consumer, action, **kwargs):
            return action == "exact"

    for permission in (Keywords, WithoutBaseClass):
        async with client(guarded(permission)) as socket:
            assert (await answer(socket, action="exact", pk=1))["response_status"] == 202
            assert (await answer(socket, action="a_sync_action"))["response_status"] == 403


async def test_a_combined_permission_stops_at_the_operand_that_decides() -> None:
    class NotEvaluated(BasePermission):
        def has_permission(self, scope, consumer, action, **kwargs):
            raise AssertionError("This operand must not be evaluated.")

    async with client(guarded(IsAuthenticated & NotEvaluated), user=AnonymousUser()) as socket:
        assert (await answer(socket, action="exact", pk=1))["response_status"] == 403
    async with client(guarded(AllowAny | NotEvaluated), user=AnonymousUser()) as socket:
        assert (await answer(socket, action="exact", pk=1))["response_status"] == 202


async def test_of_two_methods_with_one_action_name_the_most_derived_is_called() -> None:
    class Base(AsyncAPIConsumer):
        @action(name="greet")
        def zz_greet(self):
            return "of the base", 200

    class Overriding(Base):
        @action(name="greet")
        def aa_greet(self):
            return "of the override", 200

    class Derived(Overriding):
        pass

    async with client(Derived) as socket:
        await socket.expect_reply(await socket.call("greet"), data="of the override")
    assert Derived.available_actions == {"greet": "aa_greet"}


def test_two_methods_of_one_class_with_one_action_name_raise_an_error() -> None:
    with pytest.raises(TypeError, match="Twice: first and second are both the action 'greet'"):

        class Twice(AsyncAPIConsumer):
            @action(name="greet")
            def second(self):
                return 2, 200

            @action(name="greet")
            def first(self):
                return 1, 200


async def test_frames_that_wait_when_the_server_closes_are_not_handled() -> None:
    done = []

    class ClosingServer(AsyncAPIConsumer):
        @action()
        async def close_late(self):
            await asyncio.sleep(0.01)
            self.close(4403)

        @action()
        async def record(self):
            done.append(1)

    async with client(ClosingServer) as socket:
        await socket.call("close_late")
        await socket.call("record")
        await socket.expect_close(4403)
    assert done == []


async def test_detached_actions_end_when_the_server_closes(settle) -> None:
    ends = []

    class DetachedActions(AsyncAPIConsumer):
        @action(detached=True)
        async def watch(self):
            try:
                await asyncio.Event().wait()
            finally:
                ends.append("watch")

        @action(detached=True)
        async def part(self):
            await self.close(4403)
            await asyncio.sleep(0)
            ends.append("part")

    async with client(DetachedActions) as socket:
        await socket.call("watch")
        await socket.call("part")
        await settle(lambda: sorted(ends) == ["part", "watch"])


async def test_a_frame_that_comes_while_a_client_is_refused_is_not_handled(settings) -> None:
    settings.REST_CHANNELS = {"REFUSE_AFTER_ACCEPTING": True}
    received, frames, done = [], asyncio.Queue(), []

    class AdminOnly(AsyncAPIConsumer):
        permission_classes = [IsAdminUser]

        async def receive_json(self, content):
            done.append(content)

    async def send(message):
        received.append(message["type"])
        if message["type"] == "websocket.send":
            frames.put_nowait({"type": "websocket.receive", "text": "{}"})
            await asyncio.sleep(0.01)
        if message["type"] == "websocket.close":
            frames.put_nowait({"type": "websocket.disconnect", "code": 1000})

    frames.put_nowait({"type": "websocket.connect"})
    await AdminOnly.as_asgi()(client().scope, frames.get, send)
    assert (received, done) == (["websocket.accept", "websocket.send", "websocket.close"], [])


async def test_a_def_action_may_call_another_action(settings) -> None:
    settings.REST_CHANNELS = {"HANDLER_TIMEOUT": 1}

    class Twice(AsyncAPIConsumer):
        @action()
        def one(self):
            return 1, 200

        @action()
        def two(self):
            one, _status = async_to_sync(self.one)()
            return one + async_to_sync(self.one)()[0], 200

    async with client(Twice) as socket:
        for name, number in ("two", 2), ("one", 1):
            await socket.expect_reply(await socket.call(name), response_status=200, data=number)


async def test_a_task_started_under_the_handler_lock_does_not_keep_it(settle) -> None:
    running, counts, loop = [], [], asyncio.get_running_loop()

    class CountRunning(AsyncAPIConsumer):
        def work(self, event):
            running.append(event)
            counts.append(len(running))
            time.sleep(0.05)
            running.pop()

        @action()
        def slow(self):
            return self.work(None), 204

        @action()
        def begin(self):
            asyncio.run_coroutine_threadsafe(self.after(), loop)
            return None, 204

        async def after(self):
            await asyncio.sleep(0.02)
            self._connection.deliver(Event("", {"type": "work"}))
            await self.slow()
            await self.reply("after")

    async with client(CountRunning) as socket:
        await socket.expect_reply(await socket.call("begin"), response_status=204)
        await socket.expect_event(action="after")
        await settle(lambda: counts == [1, 1])


async def test_an_action_has_its_own_context_again_after_it_called_another() -> None:
    class Nested(AsyncAPIConsumer):
        @action(http_method="GET")
        async def inner(self):
            return [self.action, self.request.method], 200

        @action()
        async def outer(self):
            await self.handle_action("inner", "side")
            return [self.action, self.request.method], 200

    async with client(Nested) as socket:
        call = await socket.call("outer")
        await socket.expect_reply("side", data=["inner", "GET"])
        await socket.expect_reply(call, data=["outer", "POST"])


async def test_a_detached_action_that_awaits_a_cancelled_task_is_answered() -> None:
    class AwaitCancelledTask(AsyncAPIConsumer):
        @action(detached=True)
        async def wait(self):
            other = asyncio.ensure_future(asyncio.sleep(9))
            other.cancel()
            await other

    async with client(AwaitCancelledTask) as socket:
        await socket.expect_reply(await socket.call("wait"), response_status=500)


@pytest.mark.parametrize(
    "combine",
    [lambda cls: cls & drf.AllowAny, lambda cls: drf.AllowAny & cls, lambda cls: cls | cls],
)
async def test_a_combined_permission_awaits_the_results_of_its_operands(combine) -> None:
    class ReturnsCoroutine(drf.BasePermission):
        def has_permission(self, request, view):
            return self._deny()

        async def _deny(self):
            return False

    class Guarded(ExampleConsumer):
        permission_classes = [combine(ReturnsCoroutine)]

    socket = client(Guarded)
    assert (await socket.connect())[0] is False
    await socket.disconnect()


async def test_get_throttles_may_be_async() -> None:
    class AsyncThrottles(ExampleConsumer):
        async def get_throttles(self):
            return [RejectAll()] if self.action == "exact" else []

    class RejectAll(BaseThrottle):
        def allow_request(self, request, view):
            return False

    async with client(AsyncThrottles) as socket:
        await socket.expect_reply(await socket.call("exact", pk=1), response_status=429)
        await socket.expect_reply(await socket.call("a_sync_action"), response_status=200)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Throttled(), ["Request was throttled."]),
        (Throttled(detail="Wait."), ["Wait."]),
        (Throttled(detail=["One.", "Two."]), ["One.", "Two."]),
        (
            Throttled(wait=4.2),  # DRF rounds up
            [
                {
                    "detail": "Request was throttled. Expected available in 5 seconds.",
                    "retry_after": 5,
                }
            ],
        ),
        (
            Throttled(wait=1, detail="Wait."),
            [{"detail": "Wait. Expected available in 1 second.", "retry_after": 1}],
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("raised_by", ["action", "throttle"])
async def test_an_action_that_is_throttled_is_answered_with_a_list_of_errors(
    error, expected, raised_by
) -> None:
    class Throttles(BaseThrottle):
        def allow_request(self, request, view):
            raise error

    class Throttling(AsyncAPIConsumer):
        throttle_classes = [Throttles] if raised_by == "throttle" else []

        @action()
        def count(self, **kwargs):
            raise error

    async with client(Throttling) as socket:
        await socket.send_json({"action": "count", "request_id": 1})
        assert await socket.receive_json() == {
            "action": "count",
            "data": None,
            "errors": expected,
            "request_id": 1,
            "response_status": 429,
        }


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([None], ["Request was throttled."]),
        (
            [None, 2, 30],
            [
                {
                    "detail": "Request was throttled. Expected available in 30 seconds.",
                    "retry_after": 30,
                }
            ],
        ),
    ],
)
async def test_throttles_that_refuse_an_action_answer_with_the_longest_wait(
    waits, expected
) -> None:
    def throttle(seconds):
        methods = {"allow_request": lambda *args: False, "wait": lambda self: seconds}
        return type("Throttle", (BaseThrottle,), methods)

    class Refusing(ExampleConsumer):
        throttle_classes = [throttle(seconds) for seconds in waits]

    async with client(Refusing) as socket:
        await socket.send_json({"action": "exact", "pk": 1, "request_id": 1})
        frame = await socket.receive_json()
        assert (frame["response_status"], frame["errors"]) == (429, expected)


async def test_methods_wrapped_by_asgiref_receive_the_same_arguments(settle) -> None:
    references = []

    class Wrapped(ExampleConsumer):
        def __init__(self):
            super().__init__()
            references.append(weakref.ref(self))

        @sync_to_async
        def get_permissions(self, action, self_=None, **kwargs):
            return []

        @sync_to_async
        def check_permissions(self, action, **kwargs):
            assert "self" not in kwargs

    for _ in range(3):
        async with client(Wrapped) as socket:
            await socket.expect_reply(await socket.call("exact", pk=1), response_status=202)
    del socket

    def are_freed() -> bool:
        gc.collect()
        return not any(reference() for reference in references)

    await settle(are_freed)  # the thread of the last method may still be leaving it


async def test_a_detached_action_may_begin_while_connecting_but_not_while_closing() -> None:
    started = []

    class DetachInConnect(AsyncAPIConsumer):
        async def connect(self):
            await self.handle_action("watch", 1, when="connecting")

        @action(detached=True)
        async def watch(self, when):
            started.append(when)
            return when, 200

        @action()
        async def part(self):
            self.close(4403)
            await self.handle_action("watch", 2, when="closing")

    async with client(DetachInConnect) as socket:
        await socket.expect_reply(1, data="connecting")
        await socket.call("part")
        await socket.expect_close(4403)
    assert started == ["connecting"]
