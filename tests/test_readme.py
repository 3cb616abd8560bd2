"""The README and the start page: their code, lists and links match the code and the pages."""

import re
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
START = (ROOT / "docs/start.md").read_text()
QUICKSTART = (ROOT / "docs/quickstart.md").read_text()
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


ADDRESS = "https://git.example/rest-channels/django-rest-channels"
NO_ADDRESS = '\nREPOSITORY = ""\n'


@pytest.fixture
def metadata_with(monkeypatch):
    """Return what `setup.py` gives to `setup`, for an address of the repository."""

    def read(address):
        found = {}
        module = SimpleNamespace(
            setup=lambda **options: found.update(options), find_packages=lambda **options: []
        )
        monkeypatch.setitem(sys.modules, "setuptools", module)
        text = (ROOT / "setup.py").read_text()
        assert NO_ADDRESS in text, "There is a public address: let these tests use it."
        text = text.replace(NO_ADDRESS, f'\nREPOSITORY = "{address}"\n')
        exec(compile(text, "setup.py", "exec"), {"__file__": str(ROOT / "setup.py")})
        return found

    return read


@pytest.fixture
def metadata(metadata_with):
    """The metadata once the repository has a public address."""
    return metadata_with(ADDRESS)


def test_without_a_public_address_the_metadata_has_no_links_at_all(metadata_with) -> None:
    metadata = metadata_with("")
    assert (metadata["url"], metadata["project_urls"]) == (None, {})
    text = re.sub(r"```.*?```", "", metadata["long_description"], flags=re.DOTALL)
    assert re.findall(r"\]\((?!https://)(.+?)\)", text) == []
    assert "[" not in re.sub(r"\[.+?\]\(https://.+?\)", "", text)
    assert "the quickstart" in " ".join(text.split())


def test_the_code_of_the_readme_is_that_of_the_quickstart() -> None:
    shown = [code for language, code in BLOCK.findall(README) if language != "console"]
    assert len(shown) == 2
    for code in shown:
        assert code in QUICKSTART or textwrap.indent(code, "  ") in QUICKSTART


def test_the_quickstart_and_the_examples_of_other_pages_have_the_same_model_and_view() -> None:
    for name in ("models.py", "views.py"):
        code = (ROOT / "tests/readme" / name).read_text()
        assert f"```python\n# notes/{name}\n{code}```" in QUICKSTART


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 115
    assert max(len(code.splitlines()) for _language, code in BLOCK.findall(README)) <= 25


def test_every_class_of_the_table_can_be_imported_from_where_the_table_says() -> None:
    rows = re.findall(r"^\| \[(`.+?`)\]\(.+?\) \| `([\w.]+)` \|", START, re.MULTILINE)
    python = [row for row in rows if row[1] != "client.js"]
    assert len(python) == 18
    for names, module in python:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name)


def test_the_versions_and_extras_are_those_of_the_package() -> None:
    setup = (ROOT / "setup.py").read_text()
    packages = {
        "Python": r'python_requires=">=([\d.]+)"',
        "Django": r'"Django>=([\d.]+)"',
        "Channels": r'"channels>=([\d.]+)"',
        "Django REST framework": r'"djangorestframework>=([\d.]+)"',
    }
    for name, pattern in packages.items():
        assert f"{name} {re.search(pattern, setup)[1]} or newer" in " ".join(README.split())
    extras = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", START, re.MULTILINE)
    assert extras
    assert all(f'    "{extra}": [' in setup for extra in extras)


def test_the_commands_of_the_readme_are_commands_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.findall(r"\bmake ([a-z-]+)`", README) + re.findall(r"\$ make (\S+)", README))
    assert commands == {"demo"}
    assert all(f"\n{command}: environment" in makefile for command in commands)


def test_every_link_and_picture_of_the_metadata_works_outside_of_the_repository(metadata) -> None:
    text = re.sub(r"```.*?```", "", metadata["long_description"], flags=re.DOTALL)
    targets = re.findall(r"\]\((.+?)\)", text)
    assert len(targets) > 30
    assert [target for target in targets if not target.startswith("https://")] == []


def test_links_of_the_metadata_lead_to_files_of_the_repository(metadata) -> None:
    repository = re.escape(metadata["url"])
    found = re.findall(
        rf"\]\({repository}/(raw|blob)/main/([\w./-]+)", metadata["long_description"]
    )
    assert ("raw", "docs/images/demo.png") in found
    assert all((ROOT / path).exists() for _kind, path in found)


def test_the_metadata_has_the_urls_that_pypi_shows(metadata) -> None:
    urls = metadata["project_urls"]
    assert {"Documentation", "Changelog", "Issues"} <= urls.keys()
    assert all(url.startswith(metadata["url"]) for url in urls.values())


def test_no_file_has_an_address_of_the_repository_before_there_is_one() -> None:
    pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "package.json"]
    texts = [ROOT / name for name in (*pages, "setup.py", "docs/conf.py")]
    texts += [*(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.*")]
    assert [path.name for path in texts if "git.example" in path.read_text()] == []


def test_commit_hooks_use_the_environment_of_the_project_and_download_nothing() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"- repo: (\S+)", hooks) == ["local"]
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}
    assert all(
        entry.startswith((".venv/bin/", "make ")) for entry in re.findall(r"entry: (.+)", hooks)
    )


def test_there_are_two_issue_templates() -> None:
    folder = ROOT / ".github/ISSUE_TEMPLATE"
    assert {path.name for path in folder.iterdir()} == {"bug.md", "feature.md"}
