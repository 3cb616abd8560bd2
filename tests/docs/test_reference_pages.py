"""The lists of docs/settings.md, errors.md, client.md and testing.md match the code."""

import inspect
import re
from ast import literal_eval
from pathlib import Path

import pytest

from rest_channels.exceptions import CloseCode
from rest_channels.settings import Setting, Settings
from rest_channels.testing import SocketCommunicator

from .test_pages import PAGES, ROOT

SETTINGS = {name: one for name, one in vars(Settings).items() if isinstance(one, Setting)}
CLIENT = (ROOT / "rest_channels/static/rest_channels/client.js").read_text()


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that begins with `heading`."""
    table = PAGES[page].split(f"| {heading} |")[1].split("\n\n")[0]
    return [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()[2:]]


def listed_settings() -> dict[str, tuple[str, str]]:
    """Each setting of the page, with its type and its default."""
    row = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| .+? \| (.+?) \| .+ \|$", re.MULTILINE)
    return {name: (kind, default) for name, kind, default in row.findall(PAGES["settings.md"])}


def test_every_setting_is_listed_once() -> None:
    names = re.findall(r"^\| `([A-Z_]+)` \|", PAGES["settings.md"], re.MULTILINE)
    assert sorted(names) == sorted(SETTINGS) == sorted(listed_settings())


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_listed_with_its_type_and_default(name) -> None:
    kind, default = listed_settings()[name]
    value = literal_eval(default.strip("`"))
    assert (value, type(value)) == (SETTINGS[name].default, type(SETTINGS[name].default))
    types = {"int": int, "float": float, "bool": bool, "list": list, "dict": dict}
    types |= dict.fromkeys(["str", "class", "callable"], str)
    assert value is None or isinstance(value, types[kind.split()[0]])
    assert value is not None or kind.endswith("`None`")


def test_every_close_code_is_listed_with_its_name_and_whether_to_reconnect() -> None:
    listed = [
        (int(code), name.strip("`"), reconnect == "yes")
        for code, name, _meaning, reconnect in rows("errors.md", "Code")
    ]
    assert listed == [(int(code), code.name, code.reconnect) for code in CloseCode]


def test_every_system_check_is_listed() -> None:
    """Each has a row with a cause and a cure, in one of the tables of the page."""
    table_rows = re.findall(r"^\| `([\w.]+)`.*? \| .+ \| .+ \|$", PAGES["checks.md"], re.MULTILINE)
    files = [path for app in ("rest_channels", "sockets") for path in (ROOT / app).rglob("*.py")]
    source = "".join(path.read_text() for path in files)
    assert sorted(table_rows) == sorted(set(re.findall(r'id="([\w.]+\.[EIW]\d+)"', source)))


def test_the_options_of_the_client_are_listed_with_their_defaults() -> None:
    defaults = CLIENT.split("const DEFAULTS = {")[1].split("\n};")[0]
    pattern = re.compile(r'^ +(?:/\*\*.*?\*/ )?(\w+): ("\w+"|[\d_]+|\[\]|\{\}),', re.MULTILINE)
    options = {name: value.replace("_", ",") for name, value in pattern.findall(defaults)}
    listed = {row[0].strip("`"): row[1] for row in rows("client.md", "Option")}
    assert {name: value.strip("`").split()[0] for name, value in listed.items()} == options


def test_the_methods_events_and_dialects_of_the_client_exist() -> None:
    for text in [row[0] for row in rows("client.md", "Method")]:
        for name in re.findall(r"(\w+)\(", text):
            assert re.search(rf"^  {name}\(", CLIENT, re.MULTILINE)
    emitted = re.findall(r'#emit\("(\w+)"', CLIENT)
    events = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("client.md", "Event")))
    assert sorted(events) == sorted(set(emitted))
    dialects = CLIENT.split("const DIALECTS = {")[1].split("\n};")[0]
    listed = [row[0].split('"')[1] for row in rows("client.md", "`dialect`")]
    assert sorted(listed) == sorted(re.findall(r"^  (\w+):", dialects, re.MULTILINE))


def test_the_arguments_and_methods_of_the_test_client_exist() -> None:
    arguments = inspect.signature(SocketCommunicator).parameters
    listed = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("testing.md", "Argument")))
    assert sorted(listed) == sorted(arguments.keys() - {"application", "path"})
    assert f"default {arguments['timeout'].default}" in PAGES["testing.md"]
    for text in [row[0] for row in rows("testing.md", "Method")]:
        for name, given in re.findall(r"await (\w+)\(([^)]*)\)", text):
            known = inspect.signature(getattr(SocketCommunicator, name)).parameters
            assert all(word in known for word in re.findall(r"[a-z_]+", given))


def test_every_page_and_readme_names_only_settings_that_exist() -> None:
    for text in [*PAGES.values(), Path(ROOT / "README.md").read_text()]:
        for name in re.findall(r'REST_CHANNELS\["([A-Z_]+)"\]', text):
            assert name in SETTINGS
