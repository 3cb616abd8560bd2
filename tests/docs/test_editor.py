import pytest
from django.contrib.auth.models import User

from rest_channels.testing import SocketCommunicator

from .models import Note
from .views import Editor

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_edit_in_one_tab_reaches_the_other_tab():
    ada = await User.objects.acreate_user("ada")
    note = await Note.objects.acreate(title="Shopping")
    await note.writers.aadd(ada)

    def open_tab():
        return SocketCommunicator(Editor.as_asgi(), user=ada, kwargs={"pk": note.pk})

    async with open_tab() as first, open_tab() as second:
        await second.expect_event(text="")
        await first.send_json({"text": "milk"})
        await second.expect_event(text="milk")
