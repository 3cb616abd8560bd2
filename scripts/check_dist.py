"""Build the sdist and the wheel in dist/, and install the wheel in an empty environment."""

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

DIST = Path("dist")
REQUIRED_FILES = {
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
    """Build and check everything. Exit at the first error."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,) = DIST.glob("*.whl")
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as empty:
        check_install(wheel, Path(empty))


def check_contents(wheel: Path) -> None:
    """Check that the wheel contains all required files, and no other packages."""
    names = set(zipfile.ZipFile(wheel).namelist())
    if missing := REQUIRED_FILES - names:
        sys.exit(f"{wheel} does not contain {', '.join(sorted(missing))}")
    tops = {name.split("/")[0] for name in names}
    if unexpected := {top for top in tops - PACKAGES if not top.endswith(".dist-info")}:
        sys.exit(f"{wheel} also contains {', '.join(sorted(unexpected))}")


def check_install(wheel: Path, empty: Path) -> None:
    """Check that the wheel can be installed alone and imported, and that its versions agree."""
    venv.create(empty, symlinks=True, with_pip=True)
    python = empty / "bin" / "python"
    run(python, "-m", "pip", "-qq", "--disable-pip-version-check", "install", wheel.resolve())
    metadata_version, version = run(python, "-c", VERSIONS, cwd=empty).split()
    if metadata_version != version:
        sys.exit(f"{wheel} has version {metadata_version}, but __version__ is {version}")
    print(f"{wheel} installs into an empty environment and imports as {version}")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Return the output of a command. If it fails, print the output and exit."""
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nFailed: {' '.join(map(str, command))}")
    return done.stdout


if __name__ == "__main__":
    main()
