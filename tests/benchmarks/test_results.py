"""The files with results."""

import json
from pathlib import Path
from typing import Any

from benchmarks import plots, results
from benchmarks.cases import CASES, SHORT
from benchmarks.measuring import Plan, line_of, over_raw

LINE = line_of(
    "echo",
    "µs",
    {"ours": [10, 20, 30], "raw": [30, 60, 90], "dcrf": [40, 80, 120]},
    [over_raw(3)],
    notes=["A note."],
)


def check_shape(result: dict[str, Any]) -> None:
    """Fail unless a result has what the comparison and the plots read."""
    assert {"case", "date", "quick", "machine", "versions", "environments", "lines"} == {*result}
    assert {"cpus", "model", "system"} == {*result["machine"]}
    assert {"Python", "Django", "channels", "djangorestframework"} <= {*result["versions"]}
    for line in result["lines"]:
        assert {"line", "unit", "more_is_better", "notes", "requirements"} <= {*line}
        spreads = [*line["peers"].values(), *line["times_better"].values()]
        assert all(spread["low"] <= spread["median"] <= spread["high"] for spread in spreads)
        assert {*line["times_better"]} <= {*line["peers"]} - {"ours"}


def test_a_result_has_medians_quartiles_and_ratios():
    (line,) = results.as_json("frames", [LINE], Plan())["lines"]
    assert line["peers"]["ours"] == {"median": 20, "low": 15, "high": 25, "rounds": 3}
    assert line["times_better"]["raw"] == {"median": 3, "low": 3, "high": 3}
    assert line["requirements"] == {"≥ 3× raw": "yes"}
    assert line["notes"] == ["A note."]


def test_a_result_names_the_packages_of_peers_in_other_environments():
    result = results.as_json("frames", [LINE], Plan())
    assert [*result["environments"]] == ["dcrf"]
    assert "djangochannelsrestframework" in result["environments"]["dcrf"][0]


def test_a_result_has_the_same_shape_when_it_is_read_again(tmp_path: Path):
    result = results.as_json("frames", [LINE], Plan(quick=True))
    path = results.write(result, tmp_path)
    check_shape(json.loads(path.read_text()))
    assert results.read(tmp_path) == {"frames": result}


def test_the_short_cases_are_cases():
    assert {*SHORT} <= {*CASES}


def test_each_committed_result_is_complete_and_has_a_small_plot():
    for case, result in results.read().items():
        check_shape(result)
        assert result["case"] == case
        assert case in CASES
        assert not result["quick"]
        assert 0 < (plots.FOLDER / f"{case}.svg").stat().st_size < 40_000
