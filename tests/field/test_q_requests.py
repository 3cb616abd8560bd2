"""Requests have what Django's middleware and its URLs give to a view over HTTP."""

import pytest
from django.contrib.auth import aupdate_session_auth_hash, get_user_model
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import JsonResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.views.generic import DetailView
from rest_framework.generics import ListAPIView, RetrieveUpdateDestroyAPIView
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ViewSet

from rest_channels.django_views import view_as_consumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("guard", [login_required, permission_required("auth.add_user")])
async def test_an_async_view_may_be_guarded_by_a_decorator_of_django(guard) -> None:
    @guard
    async def name(request):
        return JsonResponse({"name": (await request.auser()).username})

    root = await User.objects.acreate(username="root", is_superuser=True)
    for user, status in [(root, 200), (AnonymousUser(), 302)]:
        async with SocketCommunicator(view_as_consumer(name), user=user) as socket:
            await socket.send_json({"action": "get"})
            assert (await socket.receive_json())["response_status"] == status


async def test_a_view_may_ask_for_its_user_as_async_views_do() -> None:
    class Desk(SocketView):
        async def receive(self, request):
            user = await request.auser()
            await aupdate_session_auth_hash(request, user)
            self.send_json(user.username)

    ada = await User.objects.acreate(username="ada")
    async with SocketCommunicator(Desk.as_asgi(), user=ada, session=SessionStore()) as socket:
        await socket.send_json(None)
        await socket.expect_event("ada")


class Servers(ViewSet):
    """The servers of a domain, which each of its URLs names."""

    def list(self, request, *args, **kwargs):
        return Response(self.kwargs["domain"])

    def retrieve(self, request, pk=None, domain="none"):
        return Response([domain, pk])


class NameSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class Person(RetrieveUpdateDestroyAPIView):
    queryset = User.objects.all()
    serializer_class = NameSerializer
    lookup_field = "username"


class Namesakes(ListAPIView):
    serializer_class = NameSerializer

    def get_queryset(self):
        return User.objects.filter(username=self.kwargs["username"])


class Page(DetailView):
    model = User

    def render_to_response(self, context):
        return JsonResponse({"pk": self.object.pk})


def shout(request, **kwargs):
    return JsonResponse({"text": kwargs["text"].upper()})


def number(request, **kwargs):
    return JsonResponse({"number": kwargs.get("number", 1)})


router = SimpleRouter()
router.register("servers", Servers, basename="server")
urlpatterns = [
    path("domains/<domain>/", include(router.urls)),
    path("people/<username>/", Person.as_view()),
    path("namesakes/<username>/", Namesakes.as_view()),
    path("pages/<int:pk>/", Page.as_view()),
    path("shout/<text>/", shout),
    re_path(r"^numbers/(?:of/(?P<number>\d+)/)?$", number),
]


async def answer_to(view, action, **parameters):
    async with SocketCommunicator(view_as_consumer(view)) as socket:
        await socket.send_json({"action": action, "parameters": parameters})
        return await socket.receive_json()


@pytest.mark.parametrize(
    ("view", "action", "name"),
    [
        (Servers, "list", "domain"),
        (Person, "get", "username"),
        (Person, "patch", "username"),
        (Person, "delete", "username"),
        (Namesakes, "list", "username"),
        (Page, "get", "pk"),
        (shout, "get", "text"),
    ],
)
@override_settings(ROOT_URLCONF=__name__)
async def test_a_name_that_each_url_of_a_view_captures_is_required(view, action, name) -> None:
    answer = await answer_to(view, action)
    assert answer["response_status"] == 400
    assert answer["errors"] == [{"parameters": {name: ["This argument is required."]}}]
    assert (await answer_to(view, action, **{name: "7"}))["response_status"] in (200, 404)


async def test_a_generic_view_without_a_url_requires_its_key() -> None:
    answer = await answer_to(Person, "get")
    assert answer["errors"] == [{"parameters": {"username": ["This argument is required."]}}]


@override_settings(ROOT_URLCONF=__name__)
async def test_a_name_that_has_a_default_or_is_optional_in_the_url_may_be_left_out() -> None:
    assert (await answer_to(Servers, "retrieve", pk="1"))["data"] == ["none", "1"]
    assert (await answer_to(number, "get"))["data"] == '{"number": 1}'


@override_settings(ROOT_URLCONF=__name__)
async def test_a_method_that_a_view_lacks_is_a_405_also_without_a_key() -> None:
    assert (await answer_to(Namesakes, "put"))["response_status"] == 405
