"""Print the tables of docs/migrating.md about attributes, methods and options.

python -m scripts.print_attributes --write     replaces them in the page
"""

import os
import sys
from pathlib import Path

import django

PAGE = Path(__file__).parent.parent / "docs" / "migrating.md"
BEGIN, END = "<!-- attributes: begin -->\n", "<!-- attributes: end -->"


def written(page: str, tables: str) -> str:
    """Return the text of the page with `tables` between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.field.attributes import page

    if "--write" in sys.argv:
        PAGE.write_text(written(PAGE.read_text(), page()))
    else:
        sys.stdout.write(page() + "\n")


if __name__ == "__main__":
    main()
