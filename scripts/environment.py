"""Make this project's virtual environment, or mend it: `environment.py FOLDER [--is-ready]`.

A stamp inside the environment tells what it was made for. The stamp is written last, so an
environment without one is half made and is thrown away, as is one that was moved or whose Python
is gone. A sound one stays, and is installed into again when the requirements have changed.
"""

import fcntl
import hashlib
import subprocess
import sys
import venv
from pathlib import Path
from subprocess import DEVNULL

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = (PROJECT / "setup.py", PROJECT / "pyproject.toml")


def main(folder: Path, ask: str = "") -> int:
    """Bring the environment to the state the project needs; `--is-ready` only tells."""
    if ask == "--is-ready":
        return 0 if is_ready(folder) else 1
    with open(__file__, "r+") as lock:  # `make check` and `make test` may start side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(folder):
            if not is_sound(folder):
                make(folder)
            install(folder)
    return 0


def is_ready(folder: Path) -> bool:
    """Whether there is nothing to do. Asked before every command, so it has to be quick."""
    return is_sound(folder) and read_stamp(folder) == stamp_for(folder)


def is_sound(folder: Path) -> bool:
    """Whether it was finished, in this place, and its Python still finds its packages."""
    if read_stamp(folder)[:1] != stamp_for(folder)[:1]:
        return False
    try:
        return subprocess.call([python_of(folder), "-c", "import pip"], stderr=DEVNULL) == 0
    except OSError:
        return False


def make(folder: Path) -> None:
    """Make it anew, with the Python that runs this."""
    print(f"Making {folder.name} with Python {sys.version.split()[0]} …", flush=True)
    venv.create(folder, clear=True, symlinks=True, with_pip=True)


def install(folder: Path) -> None:
    """Install the project, editable, and all that its developers need. Only errors show."""
    print("Installing the dependencies; the first time takes a minute …", flush=True)
    stamp = stamp_for(folder)
    stamp_path(folder).unlink(missing_ok=True)
    pip = [python_of(folder), "-m", "pip", "-qq", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--editable", f"{PROJECT}[dev]"], check=True)
    stamp_path(folder).write_text("\n".join(stamp))


def stamp_for(folder: Path) -> list[str]:
    """What an environment has to be made for: this place, these requirements."""
    requirements = b"".join(path.read_bytes() for path in REQUIREMENTS)
    return [str(folder), hashlib.sha256(requirements).hexdigest()]


def read_stamp(folder: Path) -> list[str]:
    """What the environment was made for; nothing, where it was never finished."""
    try:
        return stamp_path(folder).read_text().splitlines()
    except OSError:
        return []


def stamp_path(folder: Path) -> Path:
    """Where the stamp lies."""
    return folder / "made-for"


def python_of(folder: Path) -> Path:
    """The environment's own interpreter."""
    return folder / "bin" / "python"


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).absolute(), *sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Stopped, because this failed: {' '.join(map(str, error.cmd))}")
