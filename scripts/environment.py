"""Create or repair this project's virtual environment: `environment.py FOLDER [--is-ready]`.

A stamp file in the environment records its folder and its requirements, and is written last. An
environment without a stamp is incomplete and is replaced. So is one that was moved or whose Python
is gone. If only the requirements have changed, they are installed again.
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


def main(folder: Path, option: str = "") -> int:
    """Create or update the environment. With `--is-ready` only return whether it is ready."""
    if option == "--is-ready":
        return 0 if is_ready(folder) else 1
    with open(__file__, "r+") as lock:  # `make check` and `make test` may run at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(folder):
            if not is_sound(folder):
                make(folder)
            install(folder)
    return 0


def is_ready(folder: Path) -> bool:
    """Return whether there is nothing to do. It runs before every command and has to be fast."""
    return is_sound(folder) and read_stamp(folder) == stamp_for(folder)


def is_sound(folder: Path) -> bool:
    """Return whether it was completed in this folder and its Python still finds its packages."""
    if read_stamp(folder)[:1] != stamp_for(folder)[:1]:
        return False
    try:
        return subprocess.call([python_of(folder), "-c", "import pip"], stderr=DEVNULL) == 0
    except OSError:
        return False


def make(folder: Path) -> None:
    """Create it again, with the Python that runs this script."""
    print(f"Creating {folder.name} with Python {sys.version.split()[0]} …", flush=True)
    venv.create(folder, clear=True, symlinks=True, with_pip=True)


def install(folder: Path) -> None:
    """Install the project as editable, with its development requirements. Print only errors."""
    print("Installing the dependencies; the first time takes a minute …", flush=True)
    stamp = stamp_for(folder)
    stamp_path(folder).unlink(missing_ok=True)
    pip = [python_of(folder), "-m", "pip", "-qq", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--editable", f"{PROJECT}[dev]"], check=True)
    stamp_path(folder).write_text("\n".join(stamp))


def stamp_for(folder: Path) -> list[str]:
    """Return the stamp of an up-to-date environment: its folder and a hash of the requirements."""
    requirements = b"".join(path.read_bytes() for path in REQUIREMENTS)
    return [str(folder), hashlib.sha256(requirements).hexdigest()]


def read_stamp(folder: Path) -> list[str]:
    """Return the stamp of the environment, or an empty list if it was never completed."""
    try:
        return stamp_path(folder).read_text().splitlines()
    except OSError:
        return []


def stamp_path(folder: Path) -> Path:
    """Return the path of the stamp file."""
    return folder / "made-for"


def python_of(folder: Path) -> Path:
    """Return the interpreter of the environment."""
    return folder / "bin" / "python"


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).absolute(), *sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(f"This command failed: {' '.join(map(str, error.cmd))}")
