import pytest
from django.contrib.auth.models import User

from rest_channels.testing import SocketCommunicator

from .models import Note
from .views import Editor

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_one_writes_the_other_sees():
    ada = await User.objects.acreate_user("ada")
    note = await Note.objects.acreate(title="Shopping")
    await note.writers.aadd(ada)

    def tab():
        return SocketCommunicator(Editor.as_asgi(), user=ada, kwargs={"pk": note.pk})

    async with tab() as one, tab() as two:
        await two.expect_event(text="")
        await one.send_json({"text": "milk"})
        await two.expect_event(text="milk")
