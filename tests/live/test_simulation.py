"""The simulation: at rest each list equals its queryset, whatever was written, and however."""

import os

import pytest

from rest_channels.live import grouped_readings

from .simulation import simulate

pytestmark = pytest.mark.django_db(transaction=True)


FIRST, COUNT = (int(each) for each in os.environ.get("LIVE_SEEDS", "0:5").split(":"))


@pytest.fixture
def together(monkeypatch):
    """The readings that were made together, of two queries or more."""
    found, read = [], grouped_readings._read_together

    def noting(readings):
        found.extend(readings)
        return read(readings)

    monkeypatch.setattr(grouped_readings, "_read_together", noting)
    monkeypatch.setattr(grouped_readings, "MIN_QUERIES", 2)
    return found


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
async def test_at_rest_each_list_equals_its_queryset(seed, together) -> None:
    await simulate(seed)
    assert together


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
async def test_at_rest_each_list_is_right_though_readings_were_slow_or_failed(
    seed, together
) -> None:
    await simulate(seed, share=0.4)
