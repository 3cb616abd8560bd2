"""The virtual environments of what needs other packages than the library: some peers, the plots."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
#: Created once for each peer; git ignores it, and `make clean` removes it.
FOLDER = PROJECT / ".venv-peers"
#: Seconds for one installation command.
TIMEOUT = 300

#: Packages that all peers need: the workloads query rows and render JSON.
COMMON = ("channels==4.3.2", "djangorestframework==3.18.3", "orjson==3.13.0")

#: The peers in environments of their own, and what draws the plots. All others run in that of this
#: library.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "chanx": ("chanx[channels]==2.13.0", "Django>=6.0", *COMMON),
    "dcrf": ("djangochannelsrestframework==1.3.0", "Django<6", *COMMON),
    "plots": ("matplotlib==3.11.2",),
    "socketio": ("python-socketio==5.18.1", "Django>=6.0", *COMMON),
    "starlette": (
        "starlette==1.10.0",
        "uvicorn==0.54.0",
        "uvloop==0.23.0",
        "websockets==17.4",
        "Django>=6.0",
        *COMMON,
    ),
}

#: The environment variable that marks a process that cannot import this library.
VARIABLE = "BENCHMARKS_ISOLATED"


class NotInstalledError(Exception):
    """The environment could not be created; the text says why."""


def is_isolated() -> bool:
    """Return whether this process runs in the environment of another peer."""
    return VARIABLE in os.environ


def environ(peer: str) -> dict[str, str]:
    """Return the environment variables of a process of `peer`."""
    return {**os.environ, VARIABLE: "1"} if peer in REQUIREMENTS else dict(os.environ)


def python(peer: str) -> str:
    """Return the Python of `peer`, and create its environment if needed.

    Raises:
        NotInstalledError: The environment could not be created.
    """
    if peer not in REQUIREMENTS:
        return sys.executable
    folder, requirements = FOLDER / peer, REQUIREMENTS[peer]
    stamp, contents = folder / "made-for", "\n".join((sys.version, *requirements))
    interpreter = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != contents or not interpreter.exists():
        print(f"Creating {folder.relative_to(PROJECT)} …", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(folder))
        run(str(interpreter), "-m", "pip", "-qq", "--no-input", "install", *requirements)
        stamp.write_text(contents)
    return str(interpreter)


def run(*command: str) -> None:
    """Run an installation command. Raises `NotInstalledError`."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [str(error)]
        raise NotInstalledError(lines[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
