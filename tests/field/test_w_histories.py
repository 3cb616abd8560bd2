"""What is written for histories, and is none."""

import pytest

from rest_channels.checks import check_history, check_settings
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.history import History
from rest_channels.views import SocketView

CLASSES = [SocketView, AsyncAPIConsumer]
NO_HISTORIES = [{"feed-*": History}, {"feed-*": 100}, {"feed-*": {"size": 1}}, {1: History()}, "a"]


@pytest.mark.parametrize("written", NO_HISTORIES, ids=repr)
@pytest.mark.parametrize("base", CLASSES)
def test_a_class_is_refused_for_what_is_no_history(settings, base, written) -> None:
    with pytest.raises(TypeError, match="histories"):
        type("Feed", (base,), {"histories": written})
    settings.REST_CHANNELS = {"HISTORIES": written}
    (message,) = check_settings(None)
    assert message.id == "rest_channels.E001"


@pytest.mark.parametrize("name", ["history", "HISTORIES"])
@pytest.mark.parametrize("base", CLASSES)
def test_another_name_for_histories_is_refused(base, name) -> None:
    with pytest.raises(TypeError, match="histories"):
        type("Feed", (base,), {name: {"feed-*": History()}})


@pytest.mark.parametrize("base", CLASSES)
def test_a_class_may_have_a_history_of_its_own(base) -> None:
    type("Feed", (base,), {"history": [1, 2]})
    type("Feed", (base,), {"history": lambda self: ()})


@pytest.mark.parametrize("written", ["", "Redis"])
def test_what_is_the_name_of_no_store_is_an_error(settings, written) -> None:
    settings.REST_CHANNELS = {"HISTORY": written}
    (message,) = check_history(None)
    assert message.msg.endswith(f"or None, not {written!r}.")
