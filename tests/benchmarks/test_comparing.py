"""The comparison with committed results."""

from collections.abc import Sequence

from benchmarks.comparing import as_text, compare
from benchmarks.measuring import Plan, line_of
from benchmarks.results import Result, as_json


def result(times_better: Sequence[float], case: str = "frames", line: str = "echo") -> Result:
    """Return a result in which ours is so many times better than raw, in each round."""
    samples = {"ours": [1.0] * len(times_better), "raw": times_better}
    return as_json(case, [line_of(line, "µs", samples)], Plan())


def test_a_ratio_below_the_committed_quartiles_is_slower():
    comparison = compare({"frames": result([10, 11, 12])}, [result([7, 8, 9])])
    (change,) = comparison.slower
    assert str(change) == "frames: echo: 11.0 (10.5 to 11.5) → 8.00 (7.50 to 8.50) × raw"
    assert not comparison.faster


def test_a_ratio_whose_quartiles_overlap_the_committed_ones_is_not_slower():
    comparison = compare({"frames": result([8, 11, 14])}, [result([7, 9, 12])])
    assert not comparison.slower
    assert "All are within their quartiles." in as_text(comparison)


def test_a_change_of_a_few_percent_is_not_slower():
    assert not compare({"frames": result([10, 10])}, [result([9.6, 9.6])]).slower


def test_a_ratio_above_the_committed_quartiles_is_faster():
    comparison = compare({"frames": result([10, 11, 12])}, [result([15, 16, 17])])
    assert [change.line for change in comparison.faster] == ["echo"]
    assert "Faster than the quartiles allow:" in as_text(comparison)


def test_what_has_no_committed_result_is_named():
    committed = {"frames": result([10], line="another")}
    text = as_text(compare(committed, [result([1]), result([1], case="connect")]))
    assert "frames: echo: not in the committed result" in text
    assert "connect: no committed result" in text


def test_packages_with_another_version_are_named():
    committed, measured = result([10]), result([10])
    committed["versions"] = {**committed["versions"], "channels": "4.0"}
    text = as_text(compare({"frames": committed}, [measured]))
    assert f"Other versions: channels 4.0 → {measured['versions']['channels']}." in text


def test_a_peer_that_only_one_result_has_is_not_compared():
    committed, measured = result([10]), result([1])
    committed["lines"][0]["times_better"] = {}
    assert not compare({"frames": committed}, [measured]).changes
