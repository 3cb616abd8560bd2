"""Write client.d.ts from the comments of client.js: `python -m scripts.write_client_types`.

It needs Node.js and npm, and installs TypeScript as tests/typescript/package-lock.json pins it.
"""

import json
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "rest_channels/static/rest_channels"
PACKAGES = ROOT / "tests/typescript"

LANGUAGE = {
    "lib": ["es2022", "dom", "dom.iterable"],
    "module": "nodenext",
    "skipDefaultLibCheck": True,  # checking TypeScript's own types takes a second
    "target": "es2022",
    "types": [],
}
"""Options of TypeScript, for all programs here."""

OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "declaration": True,
    "emitDeclarationOnly": True,
    "outDir": "types",
    **LANGUAGE,
}


def install(folder: Path) -> None:
    """Install the pinned packages in `folder`. Raises `CalledProcessError` with npm's output."""
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((PACKAGES / name).read_bytes())
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    command = ["npm", "ci", *options]
    subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def client_types(packages: Path, folder: Path) -> str:
    """Return the types of the client. `folder` receives the files of the compiler.

    Raises `CalledProcessError`, with the compiler's messages, if the comments are wrong.
    """
    (folder / "client.js").write_bytes((STATIC / "client.js").read_bytes())
    config = {"compilerOptions": OPTIONS, "files": ["client.js"]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    command = [packages / "node_modules/.bin/tsc", "-p", folder]
    subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return (folder / "types/client.d.ts").read_text()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        (STATIC / "client.d.ts").write_text(client_types(folder, folder))


if __name__ == "__main__":
    main()
