"""Times that are no times: `nan` compares as false with any limit, and no timer takes `inf`."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from rest_channels.checks import check_settings
from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.history import History
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.observer import live_query
from rest_channels.settings import Setting, Settings, api_settings
from tests.live.rows import TagSerializer

SLOW = (StreamedPaginatedListMixin, GenericAsyncAPIConsumer)
NO_TIMES = [float("nan"), float("inf")]
FLOATS = [
    name
    for name, setting in vars(Settings).items()
    if isinstance(setting, Setting) and setting.kind in (float, float | None)
]


@pytest.mark.parametrize("value", NO_TIMES)
@pytest.mark.parametrize("name", FLOATS)
def test_a_setting_is_a_finite_number(settings, name, value) -> None:
    settings.REST_CHANNELS = {name: value}
    with pytest.raises(ImproperlyConfigured, match="must be a finite number"):
        getattr(api_settings, name)
    assert check_settings(None)


@pytest.mark.parametrize("value", NO_TIMES)
def test_the_age_of_a_history_is_finite(value) -> None:
    with pytest.raises(ValueError, match="use seconds"):
        History(age=value)


@pytest.mark.parametrize("value", NO_TIMES)
def test_a_list_is_read_again_after_finite_seconds(value) -> None:
    with pytest.raises(TypeError, match="write a number of seconds"):
        live_query(serializer_class=TagSerializer, reread=value)


@pytest.mark.parametrize("value", NO_TIMES)
def test_the_time_between_pages_is_finite(value) -> None:
    with pytest.raises(TypeError, match="is not a number of seconds"):
        type("Slow", SLOW, {"sleep_time_between_pages": value})
