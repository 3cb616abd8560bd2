"""The page that shows the house shows it as it is."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
HOUSE, CLUSTER, OBSERVER, SOCKETS = (one["layers"] for one in CONTRACTS if one.get("exhaustive"))


def rows(plan: str) -> list[str]:
    """The rows of modules in a drawing."""
    return re.findall(r"^ +(?:[A-Z]{4,6} +)?([a-z_]+(?: \| [a-z_]+)*) {1,}\S", plan, re.MULTILINE)


def test_the_page_lists_the_storeys_as_make_check_enforces_them() -> None:
    drawn = [rows(plan) for plan in PAGE.split("```")[1:8:2]]
    assert drawn == [HOUSE, CLUSTER, OBSERVER, SOCKETS]


@pytest.mark.parametrize(
    ("folder", "layers"),
    [
        ("rest_channels", HOUSE),
        ("rest_channels/cluster", CLUSTER),
        ("rest_channels/observer", OBSERVER),
        ("sockets", SOCKETS),
    ],
)
def test_every_module_has_its_place(folder, layers) -> None:
    found = (ROOT / folder).iterdir()
    modules = {
        path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    placed = {name for row in layers for name in row.split(" | ")}
    assert modules - {"__init__", "migrations"} == placed
