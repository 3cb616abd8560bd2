"""The environment of djangochannelsrestframework, which needs an older Django than ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
#: Created once; git ignores it, and `make clean` removes it.
FOLDER = PROJECT / ".venv-dcrf"
REQUIREMENTS = ("djangochannelsrestframework==1.3.0", "Django<6")
#: Seconds for one installation command.
TIMEOUT = 300

#: The environment variable that marks the process. It can import the benchmarks, not our library.
VARIABLE = "BENCHMARKS_ISOLATED"


class NotInstalledError(Exception):
    """The environment could not be created; the text says why."""


def is_isolated() -> bool:
    """Return whether this process runs in the isolated environment."""
    return VARIABLE in os.environ


def environ() -> dict[str, str]:
    """Return the environment variables of the isolated process."""
    return {**os.environ, VARIABLE: "1"}


def python() -> Path:
    """Create the environment if needed, and return its Python. Raises `NotInstalledError`."""
    stamp, contents = FOLDER / "made-for", "\n".join((sys.version, *REQUIREMENTS))
    interpreter = FOLDER / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != contents or not interpreter.exists():
        print(f"Creating {FOLDER.name} …", file=sys.stderr, flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(FOLDER))
        run(str(interpreter), "-m", "pip", "-qq", "--no-input", "install", *REQUIREMENTS)
        stamp.write_text(contents)
    return interpreter


def run(*command: str) -> None:
    """Run an installation command. Raises `NotInstalledError`."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [str(error)]
        raise NotInstalledError(lines[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
