"""A client whose token has expired is told nothing, until it has sent another one."""

import pytest
from rest_framework.authentication import TokenAuthentication

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Tag

from .client import client, subscribe
from .rows import TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class Anyone:
    is_authenticated = True
    pk = "ada"


class Token(TokenAuthentication):
    def authenticate_credentials(self, key):
        return Anyone(), key


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer
    authentication_classes = [Token]
    consumers = []

    async def connect(self):
        self.consumers.append(self)
        await self.accept()


@pytest.fixture(autouse=True)
def consumers():
    yield Tags.consumers
    Tags.consumers.clear()


async def test_a_client_gets_what_it_has_missed_with_a_new_token(consumers) -> None:
    await Tag.objects.acreate(name="gone")
    header = ("authorization", "Token ada")
    async with client(Tags, headers=[header]) as socket:
        tags = await subscribe(socket)
        consumers[0]._connection.suspend()
        await Tag.objects.all().adelete()
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
        await Tag.objects.acreate(name="b")
        await socket.expect_nothing()
        call = await socket.call("authenticate", token="ada")
        await socket.expect_reply(call, status=200)
        await tags.until("a", "b")
        await Tag.objects.acreate(name="c")
        await tags.until("a", "b", "c")
