"""Views are made as Python makes any instance, whatever makes them."""

import pytest
from django.urls import path
from django.utils import translation

from rest_channels.parsers import JSONParser
from rest_channels.renderers import JSONRenderer
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class WithNew:
    def __new__(cls, **kwargs):
        instance = super().__new__(cls)
        instance.unit = "m"
        return instance


class Meta(type):
    def __call__(cls, **kwargs):
        instance = super().__call__(**kwargs)
        instance.unit = "m"
        return instance


class WithMeta(SocketView, metaclass=Meta):
    pass


@pytest.mark.parametrize("bases", [(WithNew, SocketView), (WithMeta,)])
async def test_what_makes_an_instance_of_a_view_is_called_for_each_event(bases) -> None:
    class Lengths(*bases):
        async def receive(self, request):
            await self.send_json({"unit": self.unit})

    async with SocketCommunicator(Lengths.as_asgi()) as socket:
        await socket.send_json(1)
        assert await socket.receive_json() == {"unit": "m"}


async def test_attributes_of_a_view_are_set_in_the_language_of_its_client() -> None:
    class Titles(SocketView):
        language = None

        def __setattr__(self, name, value):
            super().__setattr__(name, translation.get_language() if name == "language" else value)

        async def receive(self, request):
            await self.send_json(self.language)

    application = SocketApplication([path("", Titles.as_asgi(language="own"))])
    headers = [("accept-language", "de")]
    async with SocketCommunicator(application, "/", headers=headers) as socket:
        await socket.send_json(1)
        assert await socket.receive_json() == "de"


@pytest.mark.parametrize("initkwargs", [{}, {"limit": 1}])
async def test_an_attribute_that_cannot_be_set_is_answered(initkwargs) -> None:
    class Limited(SocketView):
        limit = 0
        refused: list[str] = []

        def __setattr__(self, name, value):
            if name in self.refused:
                raise ValueError(name)
            super().__setattr__(name, value)

        async def connect(self, request):
            self.refused.append("limit" if initkwargs else "args")

        async def receive(self, request):
            await self.send_json(1)

    async with SocketCommunicator(Limited.as_asgi(**initkwargs)) as socket:
        await socket.send_json(1)
        assert (await socket.receive_json())["status"] == 500


async def test_a_parser_and_a_renderer_may_name_their_base_class() -> None:
    class Parser(JSONParser):
        def parse(self, frame):
            return {"parsed": JSONParser.parse(self, frame)}

    class Renderer(JSONRenderer):
        def render(self, data):
            return JSONRenderer.render(self, {"rendered": data})

    class Echo(SocketView):
        text_parser_class = Parser

        async def receive(self, request):
            await request.connection.send(text=Renderer().render(request.data))

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_json(1)
        assert await socket.receive_json() == {"rendered": {"parsed": 1}}
