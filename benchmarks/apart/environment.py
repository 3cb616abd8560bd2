"""The environment of djangochannelsrestframework, which does not go with our Django."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
#: Made once; git ignores it, `make clean` removes it.
FOLDER = PROJECT / ".venv-dcrf"
REQUIREMENTS = ("djangochannelsrestframework==1.3.0", "Django<6")
PATIENCE = 300

#: In the environment of a process that is apart: it has nothing of ours but the benchmarks.
NAME = "BENCHMARKS_APART"


class NotInstalledError(Exception):
    """It cannot be compared; the text says why."""


def is_apart() -> bool:
    """Whether this is such a process."""
    return NAME in os.environ


def environ() -> dict[str, str]:
    """For such a process."""
    return {**os.environ, NAME: "1"}


def python() -> Path:
    """The interpreter of an environment in which all is installed. Raises `NotInstalledError`."""
    stamp, made_for = FOLDER / "made-for", "\n".join((sys.version, *REQUIREMENTS))
    interpreter = FOLDER / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != made_for or not interpreter.exists():
        print(f"Making {FOLDER.name} …", file=sys.stderr, flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(FOLDER))
        run(str(interpreter), "-m", "pip", "-qq", "--no-input", "install", *REQUIREMENTS)
        stamp.write_text(made_for)
    return interpreter


def run(*command: str) -> None:
    """Run what installs it. Raises `NotInstalledError`."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [str(error)]
        raise NotInstalledError(said[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
