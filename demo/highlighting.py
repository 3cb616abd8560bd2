"""Code as HTML, with marked comments, strings and keywords. The styles are in `demo.css`."""

import io
import keyword
import re
import tokenize
from pathlib import PurePath

from django.utils.html import format_html_join

STRINGS = {
    getattr(tokenize, name, None)
    for name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
}
JAVASCRIPT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
    |\b(?P<keyword>async|await|catch|class|const|continue|default|delete|else|export|extends
    |false|finally|for|from|function|if|import|in|let|new|null|of|return|static|super|this|throw
    |true|try|typeof|void|while)\b""",
    re.VERBOSE | re.DOTALL,
)
HTML = re.compile(
    r"""(?P<comment><!--.*?-->|{\#.*?\#})|(?P<decorator>{[{%].*?[%}]})
    |(?P<string>"[^"\n]*")|(?P<keyword></?[\w-]+)""",
    re.VERBOSE | re.DOTALL,
)
PATTERNS = {"html": HTML, "javascript": JAVASCRIPT, "js": JAVASCRIPT, "ts": JAVASCRIPT}


def highlighted(code, language):
    """Return code as HTML.

    Args:
        code: The text.
        language: A file name, its ending, or the name of a language. Of others nothing is marked.
    """
    language = PurePath(language).suffix.removeprefix(".") or language
    if language in ("py", "python"):
        parts = marks_of_python(code)
    elif language in PATTERNS:
        parts = marks(code, PATTERNS[language])
    else:
        parts = [("", code)]
    return format_html_join("", '<span class="{}">{}</span>', parts)


def marks(code, pattern):
    """Return pairs of a CSS class and text. The class is the name of the group that matched."""
    parts, end = [], 0
    for match in pattern.finditer(code):
        parts += [("", code[end : match.start()]), (match.lastgroup, match[0])]
        end = match.end()
    return [*parts, ("", code[end:])]


def marks_of_python(code):
    """Return the same for Python: the whole of it, or the beginning if it is not complete."""
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parts, end, previous = [], 0, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            start, stop = (
                starts[min(row, len(starts)) - 1] + column
                for row, column in (token.start, token.end)
            )
            parts += [("", code[end:start]), (css_class(token, previous), code[start:stop])]
            end, previous = stop, token.string
    except (SyntaxError, tokenize.TokenError):  # an example with lines left out
        pass
    return [*parts, ("", code[end:])]


def css_class(token, previous):
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type in STRINGS:
        return "string"
    if previous in ("def", "class"):
        return "name"
    if "@" in (token.string, previous):
        return "decorator"
    return "keyword" if keyword.iskeyword(token.string) or token.string in ("match", "case") else ""
