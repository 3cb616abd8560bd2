"""docs/architecture.md describes the packages as `make check` enforces them."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {
    contract["containers"][0]: contract["layers"]
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract.get("exhaustive")
}


def layers_on_the_page(package: str) -> list[str]:
    """The first column of the table that follows the heading of a package."""
    section = PAGE.split(f"### `{package}`\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return [" | ".join(re.findall(r"`(\w+)`", row)) for row in rows]


@pytest.mark.parametrize("package", CONTRACTS)
def test_the_page_lists_the_layers_of_each_package_from_top_to_bottom(package) -> None:
    assert layers_on_the_page(package) == CONTRACTS[package]


@pytest.mark.parametrize("package", CONTRACTS)
def test_every_module_is_in_a_layer(package) -> None:
    found = (ROOT / package.replace(".", "/")).iterdir()
    modules = {
        path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    placed = {name for layer in CONTRACTS[package] for name in layer.split(" | ")}
    assert modules - {"__init__", "migrations"} == placed
