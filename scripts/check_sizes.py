"""Hold every file to the size budgets: `check_sizes.py FOLDER…`; exits 1 when one is over.

A module counts by its lines, as an editor shows it. A function or class counts by the lines a
reader has to follow: its code, signature included, without docstrings, comments and blank lines.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

MODULE, CLASS, FUNCTION = 300, 200, 30

EXCEPTED = {"SocketConsumer"}  # the one wide public face
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
    """Print what is over its budget."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    offenders = [
        f"{path}:{line}: {what} has {size} lines of {budget}"
        for path in files
        if not GENERATED.intersection(path.parts)
        for line, what, size, budget in measure(path.read_text(encoding="utf-8"))
        if size > budget and what not in EXCEPTED
    ]
    print(*offenders or [f"Sizes: {len(files)} files within their budgets."], sep="\n")
    return 1 if offenders else 0


def measure(source: str) -> Iterator[tuple[int, str, int, int]]:
    """Line, name, size and budget of a module and of each function and class in it."""
    yield 1, "module", len(source.splitlines()), MODULE
    tree = ast.parse(source)
    code = code_lines(source, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            budget = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
            size = len(code.intersection(range(node.lineno, node.end_lineno + 1)))
            yield node.lineno, node.name, size, budget


def code_lines(source: str, tree: ast.Module) -> set[int]:
    """The numbers of the lines that hold code."""
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
