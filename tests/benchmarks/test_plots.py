"""What is drawn for a result."""

import json

import pytest

from benchmarks import plots
from benchmarks.measuring import Line, Plan, line_of
from benchmarks.results import as_json

ECHO = line_of("echo", "µs", {"raw": [90, 100, 110], "ours": [9, 10, 11], "dcrf": [200]})
RATE = line_of("echoes", "/s", {"ours": [300], "bare": [500]}, more_is_better=True)


def figure(*lines: Line) -> dict:
    return plots.figure(as_json("frames", lines, Plan()))


def test_a_point_is_a_median_between_its_quartiles():
    (panel,) = figure(ECHO)["panels"]
    assert panel["rows"][0]["label"] == "echo"
    assert panel["rows"][0]["points"]["ours"] == [9.5, 10, 10.5]


def test_each_unit_has_a_panel_of_its_own():
    titles = [panel["title"] for panel in figure(ECHO, RATE, ECHO)["panels"]]
    assert titles == ["µs, less is better", "/s, more is better"]


def test_the_legend_has_all_peers_in_one_order():
    labels = [peer["label"] for peer in figure(ECHO, RATE)["peers"]]
    assert labels == ["ours", "bare", "raw", "DCRF"]


def test_a_line_that_was_left_out_is_not_drawn():
    assert figure(Line("PostgreSQL", "", {}))["panels"] == []


def test_values_that_are_far_apart_have_a_logarithmic_axis():
    (panel,) = figure(ECHO)["panels"]
    assert panel["logarithmic"]
    low, high = panel["limits"]
    assert 0 < low < 9.5
    assert high > 200


@pytest.mark.parametrize("values", [[3, 5], [0, 100], [0, 0]])
def test_other_values_have_a_linear_axis_from_zero(values: list[float]):
    (panel,) = figure(line_of("echo", "µs", {"ours": values}))["panels"]
    assert not panel["logarithmic"]
    low, high = panel["limits"]
    assert low == 0
    assert high > panel["rows"][0]["points"]["ours"][2]


def test_a_figure_is_json_and_has_no_time_of_its_own():
    result = as_json("frames", [ECHO], Plan())
    assert json.dumps(plots.figure(result)) == json.dumps(plots.figure(result))
    assert plots.figure(result)["footer"].startswith(result["date"])
