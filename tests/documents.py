"""Follows the pages of `docs/` as a reader does: writes their files and runs their commands."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?:#|<!--) ([\w./]+)(?: \((add to the end)\))?(?: -->)?\n")
ADDED_LINE = re.compile(r"echo '(.+)' >> (\S+)$")
BEFORE_DJANGO = ("mkdir", "python3 -m venv", ". .venv", "pip install")
"""Commands that make an environment. The tests have one."""


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block of a page."""
    return BLOCK.findall((ROOT / "docs" / page).read_text())


class Reader:
    """A folder in which a reader does what a page says.

    Attributes:
        folder: An empty folder.
        environ: The variables of all commands.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.environ["DJANGO_SUPERUSER_PASSWORD"] = "secret"
        self.environ.pop("DJANGO_SETTINGS_MODULE", None)

    def follow(self, page: str, users: Iterator[str]) -> Iterator[list[str]]:
        """Do what the blocks of a page say, in their order. Yield the arguments of each server.

        Args:
            page: The name of a file in `docs/`.
            users: The names to give to `createsuperuser`.
        """
        for language, text in blocks(page):
            if language == "console":
                yield from self._run_all(text, users)
            else:
                assert FILE.match(text), f"This block names no file: {text[:60]}"
                self._write(text)

    def copy_files(self, page: str) -> None:
        """Write the files that a page names. It may add to the files of other pages only."""
        written = set()
        for _language, text in blocks(page):
            if not (named := FILE.match(text)):
                continue
            path = self.folder / named[1]
            assert named[2] or path in written or not path.exists(), f"{page} replaces {named[1]}"
            assert not named[2] or path.exists(), f"{page} adds to {named[1]}, which is missing"
            self._write(text)
            written.add(path)

    def run(self, command: str) -> str:
        """Run a printed command, and return its output. It must succeed."""
        name, *arguments = shlex.split(command, comments=True)
        command_line = [*programs()[name], *arguments]
        options = {"cwd": self.folder, "env": self.environ, "capture_output": True, "text": True}
        done = subprocess.run(command_line, check=False, **options)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _run_all(self, text: str, users: Iterator[str]) -> Iterator[list[str]]:
        for command in re.findall(r"^\$ (.+)$", text, re.MULTILINE):
            if command.startswith("uvicorn "):
                yield [sys.executable, "-m", *shlex.split(command)]
            elif command.endswith("createsuperuser"):
                self.run(f"{command} --noinput --username {next(users)} --email a@example.com")
            elif added := ADDED_LINE.match(command):
                self._write(f"# {added[2]} (add to the end)\n{added[1]}\n")
            elif not command.startswith(BEFORE_DJANGO):
                self.run(command)

    def _write(self, text: str) -> None:
        """Write the file that the first line of a block names."""
        named = FILE.match(text)
        assert named is not None
        path = self.folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if named[2] else "w") as file:
            file.write(text.removeprefix(named[0]))


def programs() -> dict[str, list[str]]:
    """Return how each program of the pages is started here."""
    return {"django-admin": [sys.executable, "-m", "django"], "python": [sys.executable]}


def printed_code(output: str) -> list[str]:
    """Return the indented code of each numbered step that `startsocket` prints."""
    steps = re.split(r"^\d\. ", output, flags=re.MULTILINE)[1:]
    return [textwrap.dedent(step.partition(":\n\n")[2]).strip() + "\n" for step in steps]
