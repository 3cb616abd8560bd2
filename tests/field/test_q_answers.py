"""What is raised is answered as over HTTP, and by hooks of the project, however they are made."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.test import override_settings
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.django_views import view_as_consumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


def failing(kind, error):
    """Return an application that raises `error`, which is a view, a consumer or a wrapped view."""

    class View(SocketView):
        def receive(self, request):
            raise error

    class Consumer(AsyncAPIConsumer):
        @action()
        def post(self, **kwargs):
            raise error

    class Wrapped(APIView):
        def post(self, request):
            raise error

    made = {"view": View.as_asgi, "consumer": Consumer.as_asgi}
    return view_as_consumer(Wrapped) if kind == "wrapped" else made[kind]()


async def answer_of(application):
    async with SocketCommunicator(application) as socket:
        await socket.send_json({"action": "post", "request_id": 1})
        answer = await socket.receive_json()
    return answer.get("status", answer.get("response_status")), answer


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [BadRequest, SuspiciousOperation, RequestDataTooBig])
@pytest.mark.parametrize("kind", ["view", "consumer", "wrapped"])
async def test_a_bad_request_is_a_400_as_over_http_without_its_text(kind, error, caplog) -> None:
    status, answer = await answer_of(failing(kind, error("secret")))
    assert status == 400
    assert "secret" not in str(answer)
    assert "failed on" not in caplog.text


def drf_handler(error, context):
    response = drf_exception_handler(error, {})
    response.data["code"] = error.default_code
    return response


@pytest.mark.parametrize("kind", ["view", "consumer"])
async def test_an_exception_handler_may_return_a_response_of_drf(kind) -> None:
    with override_settings(REST_CHANNELS={"EXCEPTION_HANDLER": drf_handler}):
        status, answer = await answer_of(failing(kind, NotFound()))
    assert status == 404
    assert "not_found" in str(answer)


async def test_an_exception_handler_that_returns_something_else_is_named_in_the_log(caplog) -> None:
    with override_settings(REST_CHANNELS={"EXCEPTION_HANDLER": lambda *args: {"status": 404}}):
        status, _answer = await answer_of(failing("view", NotFound()))
    assert status == 500
    assert "EXCEPTION_HANDLER returned {'status': 404}" in caplog.text


async def test_a_client_is_answered_although_handle_exception_returns_a_response(caplog) -> None:
    class Desk(AsyncAPIConsumer):
        @action()
        def post(self, **kwargs):
            raise NotFound

        def handle_exception(self, exc):
            return Response({}, status=400)

    status, _answer = await answer_of(Desk.as_asgi())
    assert status == 500
    assert "Desk.handle_exception returned <Response" in caplog.text
    assert "self.reply" in caplog.text


async def test_a_client_is_answered_although_that_of_a_view_returns_a_response(caplog) -> None:
    class Desk(SocketView):
        def receive(self, request):
            raise NotFound

        def handle_exception(self, error):
            return Response({}, status=400)

    status, _answer = await answer_of(Desk.as_asgi())
    assert status == 500
    assert "Desk.handle_exception returned <Response" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_async", [False, True])
async def test_handle_exception_of_a_view_may_query_and_may_be_async(is_async) -> None:
    class Desk(SocketView):
        def receive(self, request):
            raise NotFound

        def handle_exception(self, error):
            self.count = User.objects.count()
            return super().handle_exception(error)

    class AsyncDesk(Desk):
        async def handle_exception(self, error):
            await User.objects.acount()
            return SocketView.handle_exception(self, error)

    status, _answer = await answer_of((AsyncDesk if is_async else Desk).as_asgi())
    assert status == 404
