"""Build sdist and wheel into dist/, and install the wheel in an empty environment."""

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

DIST = Path("dist")
REQUIRED_FILES = {
    "rest_channels/history/migrations/0001_initial.py",
    "rest_channels/locale/de/LC_MESSAGES/django.mo",
    "rest_channels/management/app_template/templates/app_name/page.html",
    "rest_channels/management/app_template/views.py-tpl",
    "rest_channels/py.typed",
    "rest_channels/static/rest_channels/client.d.ts",
    "rest_channels/static/rest_channels/client.js",
    "rest_channels/static/rest_channels/console/console.css",
    "rest_channels/static/rest_channels/console/console.js",
    "rest_channels/templates/rest_channels/console.html",
    "sockets/locale/de/LC_MESSAGES/django.mo",
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
    """Run all checks. Exit at the first error."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,) = DIST.glob("*.whl")
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as folder:
        check_install(wheel, Path(folder))


def check_contents(wheel: Path) -> None:
    """Check that the wheel has all required files and no other packages."""
    names = set(zipfile.ZipFile(wheel).namelist())
    if missing := REQUIRED_FILES - names:
        sys.exit(f"{wheel} does not contain {', '.join(sorted(missing))}")
    packages = {name.split("/")[0] for name in names}
    if others := {name for name in packages - PACKAGES if not name.endswith(".dist-info")}:
        sys.exit(f"{wheel} must not contain {', '.join(sorted(others))}")


def check_install(wheel: Path, folder: Path) -> None:
    """Install the wheel in an empty environment, import it and compare its versions."""
    venv.create(folder, symlinks=True, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "-qq", "--disable-pip-version-check", "install", wheel.resolve())
    installed, imported = run(python, "-c", VERSIONS, cwd=folder).split()
    if installed != imported:
        sys.exit(f"{wheel} has version {installed}, but __version__ is {imported}")
    print(f"{wheel} was installed in an empty environment and imported as {imported}")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its output. If it fails, print the output and exit."""
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nFailed: {' '.join(map(str, command))}")
    return done.stdout


if __name__ == "__main__":
    main()
