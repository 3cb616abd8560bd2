"""docs/architecture.md describes the packages as `make check` enforces them."""

import pkgutil
import re
import tomllib
from collections import defaultdict
from importlib import import_module
from inspect import isclass
from itertools import pairwise
from pathlib import Path

import pytest

import rest_channels
import sockets

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {
    contract["containers"][0]: contract["layers"]
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract.get("exhaustive")
}
NOT_OURS = {"CONN_MAX_AGE", "SET_NULL", "channels", "db", "layers", "run_and_clear_commit_hooks"}
NOT_NAMES = {"REST_CHANNELS", "async", "def", "make", "check", "pyproject", "toml", "type", "view"}


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


def names_in_the_packages() -> dict[str, set[str]]:
    """The names in each module, and in each class with its bases."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in (rest_channels, sockets):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = import_module(info.name)
            *_, parent, name = info.name.split(".")
            found[parent].add(name)
            for owner in (module, *filter(isclass, vars(module).values())):
                annotated = getattr(owner, "__annotations__", ())  # what `__init__` sets
                found[owner.__name__.split(".")[-1]] |= {*dir(owner), *annotated}
    return found


def names_on_the_page() -> set[str]:
    """Each dotted name in backticks, and each name of the diagrams that is no plain word."""
    parts = PAGE.split("```")
    prose, diagrams = " ".join(parts[::2]), " ".join(parts[1::2])
    spans = " ".join(re.findall(r"`([^`\n]+)`", prose))
    code = re.findall(r"[A-Za-z_][\w.]*\w", re.sub(r'".*?"', "", spans))
    return {*code, *re.findall(r"\b[A-Za-z]\w*\.\w+|\w+_\w+|\b[A-Z][a-z]+[A-Z]\w*", diagrams)}


def test_every_name_on_the_page_exists() -> None:
    members = names_in_the_packages()
    known = {*members, *set().union(*members.values()), *NOT_OURS, *NOT_NAMES}
    for name in names_on_the_page():
        parts = name.split(".")
        assert not set(parts) - known, name
        for owner, part in pairwise(parts):  # a class has this member
            assert not owner[0].isupper() or part in members.get(owner, {part}), name
