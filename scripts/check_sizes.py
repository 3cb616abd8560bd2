"""Check the size limits: `check_sizes.py FOLDER…`. Exit with 1 if anything is too large.

For a module all lines count. For a function or class only lines of code count, with its signature,
but without docstrings, comments and blank lines.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

MODULE, CLASS, FUNCTION = 300, 200, 30

EXCEPTED = {"SocketConsumer"}  # the one public class with a large API
GENERATED = {"migrations"}

NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def main(folders: list[str]) -> int:
    """Print everything that exceeds its limit."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    offenders = [
        f"{path}:{line}: {name} has {size} lines, the limit is {limit}"
        for path in files
        if not GENERATED.intersection(path.parts)
        for line, name, size, limit in measure(path.read_text(encoding="utf-8"))
        if size > limit and name not in EXCEPTED
    ]
    print(*offenders or [f"Sizes: {len(files)} files within their limits."], sep="\n")
    return 1 if offenders else 0


def measure(source: str) -> Iterator[tuple[int, str, int, int]]:
    """Yield line, name, size and limit of a module, and of each function and class in it."""
    yield 1, "module", len(source.splitlines()), MODULE
    tree = ast.parse(source)
    code = code_lines(source, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            limit = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            size = len(code.intersection(range(node.lineno, node.end_lineno + 1)))
            yield node.lineno, node.name, size, limit


def code_lines(source: str, tree: ast.Module) -> set[int]:
    """Return the numbers of the lines with code."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))  # docstring, `...`
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
