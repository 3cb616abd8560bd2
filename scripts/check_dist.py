"""Build sdist and wheel into dist/ and try the wheel as a user would: in an empty environment."""

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

DIST = Path("dist")
PROMISED = {
    "rest_channels/py.typed",
    "rest_channels/static/rest_channels/client.js",
    "sockets/py.typed",
    "sockets/migrations/0001_initial.py",
    "sockets/static/sockets/live.js",
    "sockets/templates/admin/sockets/socket/change_list.html",
}
PACKAGES = {"rest_channels", "sockets"}
VERSIONS = (
    "import importlib.metadata, rest_channels;"
    "print(importlib.metadata.version('django-rest-channels'), rest_channels.__version__)"
)


def main() -> None:
    """Stop at the first thing that is wrong."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,) = DIST.glob("*.whl")
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as empty:
        check_install(wheel, Path(empty))


def check_contents(wheel: Path) -> None:
    """The wheel holds every file that was promised, and no package that is not ours."""
    names = set(zipfile.ZipFile(wheel).namelist())
    if missing := PROMISED - names:
        sys.exit(f"{wheel} lacks {', '.join(sorted(missing))}")
    tops = {name.split("/")[0] for name in names}
    if strangers := {top for top in tops - PACKAGES if not top.endswith(".dist-info")}:
        sys.exit(f"{wheel} also holds {', '.join(sorted(strangers))}")


def check_install(wheel: Path, empty: Path) -> None:
    """Installed with nothing else around, it can be imported and tells its version."""
    venv.create(empty, symlinks=True, with_pip=True)
    python = empty / "bin" / "python"
    run(python, "-m", "pip", "-qq", "--disable-pip-version-check", "install", wheel.resolve())
    said, is_ = run(python, "-c", VERSIONS, cwd=empty).split()
    if said != is_:
        sys.exit(f"{wheel} says it is {said}, but __version__ is {is_}")
    print(f"{wheel} installs into an empty environment and imports as {is_}")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the command prints; where it fails, that is shown and all ends."""
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nFailed: {' '.join(map(str, command))}")
    return done.stdout


if __name__ == "__main__":
    main()
