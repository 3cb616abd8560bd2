"""Medians, quartiles and ratios of rounds."""

import pytest

from benchmarks.measuring import Line, Spread, line_of, over_raw


def test_a_spread_has_the_median_and_the_quartiles_around_it():
    assert Spread.of([5, 1, 4, 2, 3]) == (3, 2, 4)
    assert Spread.of([7]) == (7, 7, 7)


def test_a_ratio_is_that_of_values_of_the_same_round():
    line = line_of("echo", "µs", {"ours": [10, 20, 40], "raw": [30, 60, 120]})
    assert line.gain_spread("raw") == (3, 3, 3)


def test_a_peer_with_fewer_rounds_is_compared_in_its_rounds():
    line = line_of("echo", "µs", {"ours": [10, 20, 999], "raw": [30, 60]})
    assert line.gain_spread("raw") == (3, 3, 3)


def test_a_larger_rate_is_better():
    line = line_of("echo", "/s", {"ours": [300], "raw": [100]}, more_is_better=True)
    assert line.gain("raw") == 3


def test_a_round_without_a_value_has_no_ratio():
    line = line_of("echo", "/s", {"ours": [300, 300], "raw": [0, 100]}, more_is_better=True)
    assert line.gain_spread("raw") == (3, 3, 3)


def test_a_line_of_single_values_has_a_ratio_without_quartiles():
    line = Line("idle", "bytes", {"ours": 5, "raw": 10})
    assert line.gain_spread("raw") == (2, 2, 2)
    assert line.gain_spread("bare") is None


def test_a_peer_without_rounds_is_not_in_the_line():
    assert line_of("echo", "µs", {"ours": [10], "raw": []}).values == {"ours": 10}


@pytest.mark.parametrize(("raw", "verdict"), [(30, "yes"), (29, "NO"), (None, "?")])
def test_a_requirement_is_tested_with_the_median_ratio(raw: float | None, verdict: str):
    samples = {"ours": [10], "raw": [raw] if raw else []}
    assert over_raw(3).verdict(line_of("echo", "µs", samples)) == verdict
