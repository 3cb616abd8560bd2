"""Run a script in a process of its own, with settings of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_script(script, *arguments, path=(), **environment):
    """Run the text `script` with this Python, and return what it prints. Fail if it does."""
    paths = [str(ROOT), *map(str, path)]
    if "PYTHONPATH" in os.environ:
        paths.append(os.environ["PYTHONPATH"])
    result = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
