"""Node.js with the AsyncAPI parser and TypeScript, as `package-lock.json` pins them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.write_client_types import LANGUAGE, ROOT
from scripts.write_client_types import install as install_packages
from tests.templates import made_once

FOLDER = Path(__file__).parent
STATIC = ROOT / "rest_channels/static/rest_channels"


def skip_or_fail(reason: str) -> None:
    """Skip the test, or let it fail if the environment requires Node.js."""
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail(f"REQUIRE_NODE=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory) -> Path:
    """Return a folder with the packages, and with this repository as an npm package."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        skip_or_fail(f"{' and '.join(missing)} not found: install Node.js 20 or later")

    def install(folder: Path) -> None:
        folder.mkdir()
        try:
            install_packages(folder)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(folder)
            skip_or_fail(f"npm ci failed: {error.stderr or error.stdout}")
        (folder / "node_modules/django-rest-channels").symlink_to(ROOT)

    return made_once(tmp_path_factory, "node", install)


@pytest.fixture
def tsc(node_modules, tmp_path):
    """`tsc(files, **options)` compiles TypeScript strictly, and returns its messages."""
    (tmp_path / "node_modules").symlink_to(node_modules / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def compiled(**files: str) -> str:
        for name, text in files.items():
            (tmp_path / f"{name}.ts").write_text(text)
        options = {"strict": True, "noEmit": True, **LANGUAGE}
        config = {"compilerOptions": options, "files": [f"{name}.ts" for name in files]}
        (tmp_path / "tsconfig.json").write_text(json.dumps(config))
        return run(tmp_path, "node_modules/.bin/tsc", "-p", ".")

    return compiled


def run(folder: Path, *command: str | Path, text: str | None = None) -> str:
    """Return what a command prints. Its messages are there, too."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout
