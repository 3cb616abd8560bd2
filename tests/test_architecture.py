"""The page that shows the house shows it as it is."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]


def test_the_page_lists_the_storeys_as_make_check_enforces_them() -> None:
    plan = PAGE.split("```")[1]
    rows = re.findall(r"^ +(?:[A-Z]{4,6} +)?([a-z_]+(?: \| [a-z_]+)*) {1,}\S", plan, re.MULTILINE)
    assert rows == LAYERS


def test_every_module_has_its_place() -> None:
    modules = {path.stem for path in (ROOT / "rest_channels").glob("*.py")} - {"__init__"}
    assert modules == {name for row in LAYERS for name in row.split(" | ")}
