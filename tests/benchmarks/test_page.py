"""The tables of docs/performance.md."""

import pytest

from benchmarks import page
from benchmarks.measuring import Plan, line_of, of_bare, over_raw
from benchmarks.results import as_json, read

ECHO = line_of("echo", "µs", {"ours": [10], "bare": [6], "raw": [100]}, [of_bare(0.5), over_raw(8)])
OTHER = line_of("other", "µs", {"ours": [10], "dcrf": [40]}, notes=["A note."])


def test_a_section_has_a_heading_a_plot_and_a_table():
    text = page.tables({"frames": as_json("frames", [ECHO], Plan())})
    assert text.startswith("### A frame and its answer")
    assert "](images/benchmarks/frames.svg)" in text
    assert (
        "| echo | 10.0 µs | 6.00 µs | 100 µs | 0.60 | 10.0 | ≥ 0.5 of bare, ≥ 8× raw | yes, yes |"
        in text
    )


def test_a_line_without_a_value_has_a_dash_and_notes_follow_the_table():
    text = page.tables({"frames": as_json("frames", [ECHO, OTHER], Plan())})
    assert "| other | 10.0 µs | – | – | 40.0 µs | – | – | – | – |" in text
    assert text.endswith("- A note.")


def test_the_text_around_the_tables_stays():
    begin, end = page.BEGIN.format("costs"), page.END.format("costs")
    before = f"Text.\n{begin}old\n{end}\nMore.\n"
    assert page.written(before, {"costs": "new"}) == f"Text.\n{begin}\nnew\n\n{end}\nMore.\n"


def test_a_goal_that_is_not_reached_is_listed_with_what_was_measured():
    missed = line_of("echo", "µs", {"ours": [10], "bare": [4], "raw": [100]}, [of_bare(0.5)])
    text = page.goals({"frames": as_json("frames", [ECHO, missed], Plan())})
    assert text.endswith("| ---: |\n| echo | ≥ 0.5 of bare | 0.40 of bare |")


@pytest.mark.parametrize("path", [page.PAGE, page.README], ids=["performance", "readme"])
def test_a_page_has_the_tables_of_the_committed_results(path):
    text = path.read_text(encoding="utf-8")
    assert page.written(text, page.blocks(read())[path]) == text


def test_each_case_has_a_heading():
    from benchmarks.cases import CASES

    assert {*page.HEADINGS} == {*CASES}
