"""The simulation: at rest each list equals its queryset, whatever was written, and however."""

import pytest

from .simulation import simulate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seed", range(5))
async def test_at_rest_each_list_equals_its_queryset(seed) -> None:
    await simulate(seed)
