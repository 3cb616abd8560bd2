"""The AsyncAPI document and the TypeScript client, read by the programs they are made for."""

import json
import re

import pytest

from rest_channels.introspection.sockets import describe_sockets
from rest_channels.schema.document import build_document
from rest_channels.schema.typescript_client import typescript_of
from scripts.write_client_types import ROOT, STATIC, client_types
from tests.schema.site import application

from .conftest import FOLDER, run

RIGHT = (FOLDER / "right.ts").read_text()


def document():
    return build_document(describe_sockets([application])).as_dict()


def sockets():
    return typescript_of(document(), "django-rest-channels")


def test_the_parser_of_asyncapi_accepts_the_documents(node_modules) -> None:
    (node_modules / "validate.js").write_text((FOLDER / "validate.js").read_text())
    documents = json.dumps([json.dumps(document()), (ROOT / "demo/schema.json").read_text()])
    printed = run(node_modules, "node", "validate.js", text=documents)
    assert printed == "8 channels\n10 channels\n"


def test_correct_use_of_a_typed_client_compiles(tsc) -> None:
    assert tsc(sockets=sockets(), right=RIGHT) == ""


WRONG = {
    'openSocket("/nowhere/")': "TS2345",
    'openSocket("/editor/{pk}/")': "TS2554",
    'openSocket("/editor/{pk}/", { pk: "one" })': "TS2322",
    'openSocket("/users/").request("retrieve", { pk: "one" })': "TS2322",
    'openSocket("/users/").request("retrieve")': "TS2554",
    'openSocket("/users/").request("retrieve", { pk: 1, key: 2 })': "TS2353",
    'openSocket("/users/").request("retreive", { pk: 1 })': "TS2345",
    'openSocket("/users/").request("create", { data: {} })': "TS2741",
    'openSocket("/users/").request("retrieve", { pk: 1 }).then((user) => user.email)': "TS2339",
    'openSocket("/tickets/").request("write", { data: { title: "x", status: "open" } })': "TS2322",
    'openSocket("/tickets/").on("gape", () => 1)': "TS2769",
    'openSocket("/editor/{pk}/", { pk: 1 }).request("save", { seat: 1 })': "TS2345",
    'openSocket("/editor/{pk}/", { pk: 1 }).on("saved", (counts: string) => counts)': "TS2769",
    'openSocket("/table/{name}/", { name: "a" }).request("MOVE")': "TS2339",
    'openSocket("/table/{name}/", { name: "a" }).send("MOVE", { seat: 1 })': "TS2345",
    'openSocket("/table/{name}/", { name: "a" }).send("STAND")': "TS2345",
    'openSocket("/lists/").live("watch_active", {}, (rows) => rows?.[0]?.title)': "TS2339",
    'openSocket("/lists/").live("subscribe_list", {}, (rows) => rows)': "TS2345",
    'openSocket("/lists/").live("retrieve", { pk: 1, shop: 1 }, (rows) => rows)': "TS2345",
    'openSocket("/table/{name}/", { name: "a" }).live("MOVED", {}, (rows) => rows)': "TS2345",
    'openSocket("/table/{name}/", { name: "a" }).live("GUESTS", { search: 1 }, () => 1)': "TS2322",
    'openSocket("/table/{name}/", { name: "a" }).live("GUESTS", {}, (a) => a![0].email)': "TS2339",
    'openSocket("/echo/").send(true)': "TS2345",
    'openSocket("/all/").send({ stream: "echo", payload: true })': "TS2322",
    'openSocket("/all/").request({ stream: "echo", payload: 1 })': "TS2339",
    'openSocket("/all/").stream("users")': "TS2345",
    'openSocket("/all/").stream("echo").send(true)': "TS2345",
    'openSocket("/all/").stream("tickets").request("escalate")': "TS2554",
    'openSocket("/all/").stream("tickets").request("list", {})': "TS2345",
    'openSocket("/all/").stream("tickets").request("move", { seat: "1" })': "TS2322",
    'openSocket("/all/").stream("tickets").on("gap", (none: string) => none)': "TS2769",
    'openSocket("/all/", {}, { streams: {} })': "TS2353",
    'openSocket("/echo/").request(5).then((answer: boolean) => answer)': "TS2345",
}


def test_wrong_use_of_a_typed_client_is_refused(tsc) -> None:
    """All at once, because each start of tsc takes a second."""
    lines = ['import { openSocket } from "./sockets.js";', *(f"{line};" for line in WRONG)]
    output = tsc(sockets=sockets(), wrong="\n".join(lines))
    found = re.findall(r"^wrong\.ts\((\d+),\d+\): error (TS\d+)", output, re.MULTILINE)
    expected = [(str(number), code) for number, code in enumerate(WRONG.values(), 2)]
    assert found == expected, output


def test_the_types_of_the_client_are_those_of_its_comments(node_modules, tmp_path) -> None:
    types = client_types(node_modules, tmp_path)
    how = "Run python -m scripts.write_client_types."
    assert types == (STATIC / "client.d.ts").read_text(), how


def test_the_client_without_a_schema_has_types(tsc) -> None:
    use = """
import { SocketClient, SocketError, mayReconnect } from "django-rest-channels";
const socket = new SocketClient("/ws/", { dialect: "action", timeout: 5 });
socket.on("close", ({ code, reason }) => [code.toFixed(), reason.trim(), mayReconnect(code)]);
socket.on("error", (error: SocketError) => error.status);
socket.on("moved", (data, frame) => [data, frame]);
socket.request("save", { a: 1 }, { retry: "always" });
socket.request({ a: 1 }, { timeout: 1 });
"""
    assert tsc(use=use) == ""
    wrong = use.replace('"action"', '"acton"').replace("code.toFixed", "code.trim")
    assert re.findall(r"error (TS\d+)", tsc(use=wrong)) == ["TS2820", "TS2339"]


@pytest.mark.parametrize("name", ["client.js", "client.d.ts"])
def test_the_repository_is_a_package_with_the_client(node_modules, name) -> None:
    listed = json.loads(run(ROOT, "npm", "pack", "--dry-run", "--json", "--silent"))
    packed = listed[0] if isinstance(listed, list) else next(iter(listed.values()))
    assert f"rest_channels/static/rest_channels/{name}" in [
        each["path"] for each in packed["files"]
    ]
