"""The promises of docs/guarantees.md have tests, and those of the start page are among them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from rest_channels import __version__
from rest_channels.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
START = (ROOT / "docs/start.md").read_text()
PAGE = (ROOT / "docs/guarantees.md").read_text()
POLICY = (ROOT / "SECURITY.md").read_text()
TABLES = PAGE.split("## Not promised")[0]
ROWS = [
    re.split(r" \| ", line.strip("| "))
    for line in TABLES.splitlines()
    if line.startswith("| ") and not line.startswith("| Promise")
]


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_every_promise_has_a_limit_and_a_test_that_exists(row) -> None:
    _promise, limit, named = row
    path, name = re.fullmatch(r"`([\w/]+\.py)::(test_\w+)`", named).groups()
    assert limit
    assert name in names_in(path)


def test_no_two_promises_are_equal() -> None:
    promises = [row[0] for row in ROWS]
    assert len(promises) > 40
    assert len(set(promises)) == len(promises)


@pytest.mark.parametrize(
    ("feature", "section"),
    [
        ("`def` and `async def`", "Connections"),
        ("Groups", "Delivery"),
        ("Lost messages are reported", "Delivery"),
        ("Observers", "Observers"),
        ("Limits", "Limits for clients"),
        ("Revocation", "Access"),
        ("Origin check", "Access"),
        ("A row for every open socket", "Sockets"),
        ("A browser client", "The browser client"),
        ("Compatible", "Compatibility"),
    ],
)
def test_a_feature_that_the_start_page_promises_has_a_section(feature, section) -> None:
    assert f"- **{feature}**" in START
    assert f"\n## {section}\n" in PAGE


def test_every_feature_of_the_start_page_is_in_the_list_above_or_is_a_tool() -> None:
    features = START.split("## Features")[1].split("\n## ")[0]
    features = re.findall(r"^- \*\*(.+?)\*\*", features, re.MULTILINE)
    marks = test_a_feature_that_the_start_page_promises_has_a_section.pytestmark
    listed = {feature for feature, _section in marks[0].args[1]}
    assert set(features) - listed == {"DRF classes"}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("{} per second, 1,000 at once", Settings.FRAME_RATE),
        ("100 per second, {} at once", Settings.FRAME_BURST),
        ("| {}; also for a user who logs in later", Settings.MAX_SOCKETS_PER_USER),
        ("| {}; costs no query", Settings.MAX_SOCKETS_PER_ADDRESS),
        ("{} groups", Settings.MAX_SUBSCRIPTIONS),
        ("{} at a time", Settings.MAX_DETACHED),
        ("{} levels", Settings.MAX_DEPTH),
        ("{} frames, 1 MiB", Settings.INBOX_FRAMES),
    ],
)
def test_the_numbers_of_the_page_are_the_defaults(words, value) -> None:
    assert words.format(f"{value.default:,g}") in PAGE


def test_the_sizes_of_the_page_are_the_defaults() -> None:
    sizes = (Settings.BYTE_RATE.default, Settings.BYTE_BURST.default)
    assert sizes == (1024.0 * 1024, 4 * 1024 * 1024)
    assert "1 MiB per second, 4 MiB at once" in PAGE


def test_the_security_policy_is_linked_and_part_of_the_metadata() -> None:
    assert "](SECURITY.md)" in README
    setup = (ROOT / "setup.py").read_text()
    assert "SECURITY.md" in setup
    assert "SECURITY.md" in (ROOT / "MANIFEST.in").read_text()


def test_the_security_policy_names_the_current_version() -> None:
    minor = ".".join(__version__.split(".")[:2])
    assert f"| {minor}" in POLICY
