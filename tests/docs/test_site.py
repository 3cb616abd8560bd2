"""The documentation site (`make docs`): its navigation, its reference lists, and its comparison."""

import re
import runpy
from importlib import import_module

import pytest
from django.core.management import get_commands, load_command_class
from django.dispatch import Signal

from .test_pages import DOCS, PAGES, ROOT

APPS = ("rest_channels", "sockets")
SOURCES = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
INDEX = PAGES["index.md"]
PUBLIC = {
    # Django, not the project, imports these.
    path.stem
    for path in (ROOT / "rest_channels").glob("[a-z]*.py")
} - {"apps", "client_logs", "serializer_fields"}


def in_navigation() -> list[str]:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", INDEX, re.DOTALL)
    return [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]


def test_each_page_is_in_the_navigation_once() -> None:
    names = [str(path.relative_to(DOCS)) for path in DOCS.glob("*.md")]
    names += [str(path.relative_to(DOCS)) for path in DOCS.glob("tutorials/*.md")]
    pages = {name.removesuffix(".md") for name in names} - {"README", "index"}
    assert sorted(in_navigation()) == sorted(pages | {"api/index"})


def test_the_reference_has_every_public_module() -> None:
    text = "".join(path.read_text() for path in DOCS.glob("api/*.md"))
    modules = re.findall(r"automodule:: rest_channels\.(\w+)\n", text)
    # `consumers` has the names of four modules, and two others have pages of their own.
    # `testing_frames` is a part of `testing`.
    assert PUBLIC - set(modules) == {"consumers", "scope_utils", "settings", "testing_frames"}


def test_each_page_of_the_reference_is_listed() -> None:
    pages = {path.stem for path in DOCS.glob("api/*.md")} - {"index"}
    assert pages <= set((DOCS / "api/index.md").read_text().split())


def on_the_site(name: str) -> str:
    """Return a page as `docs/conf.py` changes it for the site."""
    content = [(DOCS / f"{name}.md").read_text()]
    runpy.run_path(str(DOCS / "conf.py"))["link_to_repository"](None, name, content)
    return content[0]


def test_links_to_files_that_the_site_does_not_have_are_text_until_there_is_an_address() -> None:
    assert "](../../" not in on_the_site("tutorials/chat")
    assert "files are in `demo/chat_rooms/`. Next:" in on_the_site("tutorials/chat")
    assert "README and the other" in on_the_site("architecture")


def test_links_from_a_tutorial_to_other_pages_of_the_site_stay() -> None:
    assert "[Actions](../actions.md)" in on_the_site("tutorials/chat")


def listed(heading: str) -> set[str]:
    table = PAGES["lists.md"].split(f"| {heading} |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE))


def test_every_signal_is_listed() -> None:
    found = set()
    for path in SOURCES:
        for name in re.findall(r"^(\w+) = Signal\(", path.read_text(), re.MULTILINE):
            found.add(".".join([*path.relative_to(ROOT).with_suffix("").parts, name]))
    assert listed("Signal") == found
    for dotted in found:
        module, name = dotted.rsplit(".", 1)
        assert isinstance(getattr(import_module(module), name), Signal)


def test_every_logger_is_listed() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    assert listed("Logger") == set(re.findall(r'getLogger\("([\w.]+)"\)', text))


def test_every_management_command_is_listed_with_its_app() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", PAGES["lists.md"], re.MULTILINE)
    commands = {name: app for name, app in get_commands().items() if app in APPS}
    assert {name: app for name, app, _does in rows} == commands


@pytest.mark.parametrize("app", APPS)
def test_every_option_that_the_page_names_exists(app) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", PAGES["lists.md"], re.MULTILINE)
    for name, _app, does in [row for row in rows if row[1] == app]:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        assert all(option in parser.format_help() for option in re.findall(r"--[a-z]+", does))


def test_the_versions_of_the_site_generator_are_pinned_and_each_has_a_reason() -> None:
    extra = (ROOT / "setup.py").read_text().split('"docs": [')[1].split("],")[0]
    lines = [line.strip() for line in extra.strip().splitlines()]
    assert all(re.fullmatch(r'"[\w-]+==[\d.]+",  # .+', line) for line in lines)


def test_make_docs_fails_on_warnings_and_runs_in_ci() -> None:
    assert "sphinx --fresh-env --fail-on-warning" in (ROOT / "Makefile").read_text()
    assert "\nmake docs\n" in (ROOT / ".ci/run").read_text()
    assert "/site/" in (ROOT / ".gitignore").read_text().split()


def test_the_conditions_of_a_comparison_are_named() -> None:
    comparison = PAGES["start.md"].split("## Comparison")[1].split("\n## ")[0]
    assert "Channels 4.3, djangochannelsrestframework (DCRF) 1.3, chanx 2.13" in comparison
