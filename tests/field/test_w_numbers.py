"""Times that are no times: `nan` compares as false with any limit, and no timer takes `inf`.

Nor does it take `1e300`, and no database has a date that is so late.
"""

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
NO_NUMBERS = [float("nan"), float("inf")]
NO_TIMES = [*NO_NUMBERS, 1e300, 10**12]
FLOATS = [
    name
    for name, setting in vars(Settings).items()
    if isinstance(setting, Setting) and setting.kind in (float, float | None)
]


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("name", FLOATS)
def test_a_setting_is_a_finite_number(settings, name, value) -> None:
    settings.REST_CHANNELS = {name: value}
    with pytest.raises(ImproperlyConfigured, match="must be a finite number"):
        getattr(api_settings, name)
    assert check_settings(None)


@pytest.mark.parametrize("value", NO_TIMES)
def test_the_age_of_a_history_is_limited(value) -> None:
    with pytest.raises(ValueError, match="use seconds"):
        History(age=value)


@pytest.mark.parametrize("value", [0, 10**12, 1.0, True])
def test_the_size_of_a_history_is_a_number_that_stores_can_count(value) -> None:
    with pytest.raises(ValueError, match="use a whole number of at least 1, and at most"):
        History(size=value)


@pytest.mark.parametrize("value", NO_TIMES)
def test_a_list_is_read_again_after_seconds_that_a_timer_takes(value) -> None:
    with pytest.raises(TypeError, match="write a number of seconds"):
        live_query(serializer_class=TagSerializer, reread=value)


@pytest.mark.parametrize("value", NO_TIMES)
def test_the_time_between_pages_is_one_that_a_timer_takes(value) -> None:
    with pytest.raises(TypeError, match="is not a number of seconds"):
        type("Slow", SLOW, {"sleep_time_between_pages": value})
