"""The simulation: at rest each list equals its queryset, whatever was written, and however."""

import os

import pytest

from .simulation import simulate

pytestmark = pytest.mark.django_db(transaction=True)


FIRST, COUNT = (int(each) for each in os.environ.get("LIVE_SEEDS", "0:5").split(":"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
async def test_at_rest_each_list_equals_its_queryset(seed) -> None:
    await simulate(seed)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
async def test_at_rest_each_list_is_right_though_readings_were_slow_or_failed(seed) -> None:
    await simulate(seed, share=0.4)
