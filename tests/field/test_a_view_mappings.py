"""The actions that `view_as_consumer` maps to HTTP methods: each can be called, or is refused."""

import re

import pytest
from django.http import HttpResponse
from django.views import View
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from rest_channels.consumers import DjangoViewAsConsumer, view_as_consumer
from rest_channels.decorators import action, detached


class Reading(View):
    def get(self, request):
        return HttpResponse("read")


class Notes(ViewSet):
    def list(self, request):
        return Response([])

    def partial_update(self, request, pk):
        return Response(pk)


@pytest.mark.parametrize(
    ("view", "mapping", "advice"),
    [
        (Reading, {"list": "get"}, "write 'GET'"),
        (Reading, {"list": "FETCH"}, "write one of GET, HEAD"),
        (Reading, {"list": None}, "write one of GET, HEAD"),
        (Reading, {"save": "POST"}, "Reading has no method post()"),
        (Reading.as_view(), {"save": "POST"}, "Reading has no method post()"),
        (api_view(["GET"])(lambda request: None), {"save": "POST"}, "has no method post()"),
        (Notes.as_view({"get": "list"}), {"save": "POST"}, "Notes has no method post()"),
        (Notes, {"list": "POST"}, "write 'GET'"),
        (Notes, {"patch": "PUT"}, "write 'PATCH'"),
        (Notes, {"find": "GET"}, "Notes has no action 'find'"),
        (Reading, ["list"], "write a dict"),
        (Reading, {7: "GET"}, "write the name of an action"),
    ],
)
def test_a_mapping_that_the_view_cannot_follow_is_a_type_error(view, mapping, advice) -> None:
    with pytest.raises(TypeError, match=re.escape(advice)):
        view_as_consumer(view, mapping)


def test_a_class_with_a_wrong_mapping_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"Own\.actions.*write 'GET'"):

        class Own(DjangoViewAsConsumer):
            view = Reading
            actions = {"list": "get"}


def test_a_mapping_may_name_each_method_that_the_view_has() -> None:
    class Every(View):
        def dispatch(self, request):
            return HttpResponse(request.method)

    view_as_consumer(Every, {"save": "POST"})
    view_as_consumer(lambda request: None, {"save": "POST"})
    view_as_consumer(Notes, {"list": "GET", "patch": "PATCH", "partial_update": "PATCH"})
    for view in (Reading, Reading.as_view(), Notes.as_view({"get": "list"})):
        view_as_consumer(view, {"list": "GET", "head": "HEAD", "options": "OPTIONS"})


@pytest.mark.parametrize("base", [DjangoViewAsConsumer, view_as_consumer(Reading).consumer_class])
def test_an_action_in_a_consumer_of_a_view_is_a_type_error(base) -> None:
    with pytest.raises(TypeError, match=r"@action has no effect on Own\.ping: .*consumer of its"):

        class Own(base):
            @action()
            async def ping(self):
                return None, 200


def test_a_detached_method_in_a_consumer_of_a_view_is_allowed() -> None:
    class Own(DjangoViewAsConsumer):
        view = Reading

        @detached
        async def ping(self): ...
