"""The tutorials: each block is a part of a file of the demo, in the order of the file."""

import re

import pytest

from .test_pages import DOCS, ROOT

TUTORIALS = {path.stem: path.read_text() for path in sorted(DOCS.glob("tutorials/*.md"))}
BLOCK = re.compile(r"```(?:python|javascript)\n(?:#|//) (\S+)\n(.*?)```", re.DOTALL)
LEFT_OUT = re.compile(r"^ *(?:#|//) …\n", re.MULTILINE)
BLOCKS = [(page, *block) for page, text in TUTORIALS.items() for block in BLOCK.findall(text)]
PAGES = {  # of the demo
    "composition-editor": "sequencer",
    "game-table": "dice-game",
    "chat": "chat-rooms",
    "plain-consumer": "channels-tutorial",
}


def test_each_seed_has_a_tutorial_that_ends_in_a_page_of_the_demo() -> None:
    assert TUTORIALS.keys() == PAGES.keys()
    urls = (ROOT / "demo/urls.py").read_text()
    for name, page in PAGES.items():
        assert f"`/{page}/" in TUTORIALS[name]
        assert f'path("{page}/' in urls


@pytest.mark.parametrize(("page", "file", "code"), BLOCKS)
def test_each_block_has_lines_of_its_file_in_their_order(page, file, code) -> None:
    source = "\n" + (ROOT / file).read_text()
    for part in LEFT_OUT.split(code):
        found = source.find(f"\n{part.strip(chr(10))}\n")
        assert found >= 0, part
        source = source[found:]


@pytest.mark.parametrize("page", TUTORIALS)
def test_every_block_of_a_tutorial_names_its_file(page) -> None:
    assert TUTORIALS[page].count("```") == 2 * len(BLOCK.findall(TUTORIALS[page]))
