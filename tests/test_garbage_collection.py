"""What `tune_garbage_collection` changes in a process."""

import gc

import pytest

from rest_channels.garbage_collection import THRESHOLDS, tune_garbage_collection


@pytest.fixture(autouse=True)
def usual_collections():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_loaded_is_left_out_of_collections() -> None:
    tune_garbage_collection()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[:2] == THRESHOLDS[:2]


def test_cycles_of_new_objects_are_still_collected() -> None:
    tune_garbage_collection()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
