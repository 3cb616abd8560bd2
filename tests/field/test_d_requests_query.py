"""What a frame's `query` and `parameters` become, on every path that reads them."""

import json

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import include, path
from django.views import View
from django.views.generic import DetailView
from rest_framework import viewsets
from rest_framework.decorators import api_view
from rest_framework.filters import BaseFilterBackend, OrderingFilter
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from rest_channels.consumers import GenericAsyncAPIConsumer, view_as_consumer
from rest_channels.mixins import ListModelMixin, PaginatedModelListMixin
from rest_channels.pagination import WebsocketPageNumberPagination
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)

VALUES = {
    "nothing": None,
    "yes": True,
    "no": False,
    "whole": 7,
    "part": 0.5,
    "text": "7",
    "many": ["a", None, 2],
    "object": {"gte": 1},
}
TEXTS = {
    "nothing": [""],
    "yes": ["true"],
    "no": ["false"],
    "whole": ["7"],
    "part": ["0.5"],
    "text": ["7"],
    "many": ["a", "", "2"],
    "object": ['{"gte":1}'],
}


async def reply_to(view, action, *, dialect="action", **frame):
    application = view if hasattr(view, "consumer_class") else view_as_consumer(view)
    async with SocketCommunicator(application, dialect=dialect) as socket:
        await socket.send_json({"action": action, "request_id": 1, **frame})
        reply = await socket.receive_json()
        return reply["response_status"], reply["data"] or reply["errors"]


seen = {}


class Noting(BaseFilterBackend):
    def filter_queryset(self, request, queryset, view):
        seen.update(request.query_params.lists())
        return queryset


class Names(ModelSerializer):
    class Meta:
        model = User
        fields = ("username",)


class Users(ListModelMixin, GenericAsyncAPIConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = Names
    filter_backends = (Noting,)


class NotingPages(WebsocketPageNumberPagination):
    def get_page_number(self, request, paginator):
        seen.update(request.query_params.lists())
        return super().get_page_number(request, paginator)


class Pages(PaginatedModelListMixin, Users):
    filter_backends = ()
    pagination_class = NotingPages


class Viewed(APIView):
    def get(self, request):
        seen.update(request.query_params.lists())
        return Response(request.build_absolute_uri())


@pytest.mark.parametrize("reader", [Users.as_asgi(), Pages.as_asgi(), Viewed])
async def test_every_reader_of_a_query_sees_what_a_query_string_would_carry(reader) -> None:
    seen.clear()
    status, _data = await reply_to(reader, "list", query=VALUES)
    assert (status, seen) == (200, TEXTS)


async def test_a_view_that_answers_with_its_query_answers_numbers_as_numbers() -> None:
    @api_view(["GET"])
    def echo(request):
        return Response(request.GET)

    numbers = {"a": 1, "b": 2.5, "c": "3"}
    assert await reply_to(echo, "retrieve", query=numbers) == (200, numbers)


async def test_filters_that_split_text_take_a_number() -> None:
    class Ordered(Users):
        filter_backends = (OrderingFilter,)
        ordering_fields = ("username",)

    assert (await reply_to(Ordered.as_asgi(), "list", query={"ordering": 1}))[0] == 200


async def test_an_argument_of_a_page_is_text_as_in_a_query_string() -> None:
    await User.objects.acreate(username="ada")
    status, page = await reply_to(Pages.as_asgi(), "list", page=1, query={"page": 9})
    assert (status, page["page"]) == (200, 1)
    assert (await reply_to(Pages.as_asgi(), "list", page=True))[0] == 404


class Rooms(viewsets.ViewSet):
    def retrieve(self, request, pk=None):
        return Response([pk])

    def list(self, request):
        return Response(["all"])

    def destroy(self, request, pk):
        return Response([pk])


@pytest.mark.parametrize("view", [Rooms, Rooms.as_view({"get": "retrieve"})])
async def test_a_viewset_that_is_not_generic_receives_its_key(view) -> None:
    assert await reply_to(view, "retrieve", parameters={"pk": 42}) == (200, [42])


async def test_a_key_that_a_viewset_needs_and_does_not_get_is_a_400_that_names_it() -> None:
    status, [errors] = await reply_to(Rooms, "delete", parameters={})
    assert (status, errors["parameters"].keys()) == (400, {"pk"})
    assert await reply_to(Rooms, "list") == (200, ["all"])


def page(request, slug="home", *, template="page.html"):
    return JsonResponse({"slug": slug, "template": template})


class Page(View):
    def get(self, request, slug="home", template="page.html"):
        return page(request, slug, template=template)


@api_view(["GET"])
def api_page(request, slug="home", template="page.html"):
    return page(request, slug, template=template)


class Loose(View):
    def get(self, request, **kwargs):
        return page(request, kwargs.get("slug", "home"), template=kwargs.get("template", "x"))


class Sites:
    urlpatterns = [
        path("pages/", Page.as_view()),
        path("pages/<slug:slug>/", Page.as_view(), {"template": "own.html"}),
        path("fun/<slug:slug>/", page),
        path("api/<slug:slug>/", api_page),
        path("loose/<slug:slug>/", Loose.as_view()),
    ]


@pytest.mark.parametrize("view", [Page, Page.as_view(), page, api_page])
async def test_a_frame_does_not_reach_a_default_of_a_view_without_a_url(view) -> None:
    status, [errors] = await reply_to(view, "list", parameters={"template": "secret.html"})
    assert (status, errors["parameters"].keys()) == (400, {"template"})


@pytest.mark.parametrize("view", [Page, page, api_page, Loose])
async def test_a_frame_gives_a_view_only_what_its_url_captures(view) -> None:
    with override_settings(ROOT_URLCONF=Sites):
        assert (await reply_to(view, "list", parameters={"slug": "news"}))[0] == 200
        given = {"slug": "news", "template": "secret.html"}
        status, [errors] = await reply_to(view, "list", parameters=given)
        assert (status, errors["parameters"].keys()) == (400, {"template"})


class Fixed:
    urlpatterns = [
        path("pages/<slug:slug>/", Page.as_view(), {"template": "own.html"}),
        path("pages/", include([path("", Page.as_view())]), {"template": "all.html"}),
    ]


async def test_a_view_receives_the_arguments_that_its_url_fixes() -> None:
    with override_settings(ROOT_URLCONF=Fixed):
        for given, template in [({"slug": "news"}, "own.html"), ({}, "all.html")]:
            status, data = await reply_to(Page, "list", parameters=given)
            assert (status, json.loads(data)["template"]) == (200, template)


async def test_a_view_without_arguments_refuses_one() -> None:
    def plain(request):
        return HttpResponse("ok")

    status, [errors] = await reply_to(plain, "list", parameters={"x": 1})
    assert (status, errors["parameters"].keys()) == (400, {"x"})


class Custom(View):
    def dispatch(self, request, **kwargs):
        return JsonResponse(kwargs)


class LooseAPI(APIView):
    def get(self, request, *args, **kwargs):
        return Response(self.kwargs)


class Keyed(LooseAPI):
    lookup_url_kwarg = "number"


def loose(request, **kwargs):
    return JsonResponse(kwargs)


@pytest.mark.parametrize("view", [Loose, Custom, LooseAPI, Keyed, loose])
@pytest.mark.parametrize("name", ["team", "is_staff", "request", "self"])
async def test_a_frame_gives_a_view_without_a_url_nothing_that_it_does_not_name(view, name) -> None:
    status, [errors] = await reply_to(view, "list", parameters={name: "7"})
    assert (status, errors["parameters"].keys()) == (400, {name})


@pytest.mark.parametrize(
    ("view", "key"), [(Custom, "pk"), (LooseAPI, "pk"), (Keyed, "number"), (loose, "pk")]
)
async def test_a_frame_gives_a_view_without_a_url_its_key(view, key) -> None:
    status, data = await reply_to(view, "list", parameters={key: "7"})
    assert (status, data) in [(200, {key: "7"}), (200, f'{{"{key}": "7"}}')]


@pytest.mark.parametrize("key", ["username", "pk"])
async def test_a_frame_gives_a_detail_view_of_django_its_key(key) -> None:
    class Detail(DetailView):
        model = User
        slug_field = slug_url_kwarg = "username"
        render_to_response = lambda self, context: HttpResponse(self.object.username)  # noqa: E731

    ada = await User.objects.acreate(username="ada")
    given = {key: getattr(ada, key)}
    assert await reply_to(Detail, "list", parameters=given) == (200, "ada")
