"""`manage.py socket_schema`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def printed(settings, capsys):
    """Return what the command prints for the site of these tests."""
    settings.ASGI_APPLICATION = "tests.schema.site.application"

    def run(*options):
        call_command("socket_schema", *options)
        return capsys.readouterr().out

    return run


@pytest.fixture
def committed(printed, tmp_path):
    """A file with the schema of the site."""
    path = tmp_path / "schema.json"
    printed("--output", str(path))
    return path


def test_it_prints_json_and_takes_a_title_a_version_and_a_server(printed) -> None:
    options = ["--title", "Shop", "--version", "1.2", "--server", "wss://example.com"]
    document = json.loads(printed(*options))
    assert (document["info"]["title"], document["info"]["version"]) == ("Shop", "1.2")
    assert document["servers"]["default"]["host"] == "example.com"


def test_yaml_and_typescript_are_other_formats(printed) -> None:
    assert yaml.safe_load(printed("--format", "yaml")) == json.loads(printed())
    typescript = printed("--format", "ts", "--client", "/static/rest_channels/client.js")
    assert 'import { SocketClient } from "/static/rest_channels/client.js";' in typescript


def test_a_file_that_it_has_written_is_up_to_date(printed, committed, tmp_path) -> None:
    assert committed.read_text().endswith("}\n")
    assert "is up to date" in printed("--check", str(committed))
    written = tmp_path / "schema.yaml"
    printed("--format", "yaml", "--output", str(written))
    assert "is up to date" in printed("--check", str(written))


def test_what_is_new_is_additive_and_what_is_gone_breaks(printed, committed, capsys) -> None:
    document = json.loads(committed.read_text())
    removed = document["operations"].pop("users.create")
    committed.write_text(json.dumps(document))
    assert "additive: /users/ create request: is new" in printed("--check", str(committed))
    document["operations"]["users.create"] = removed
    document["channels"]["gone"] = {**document["channels"]["users"], "address": "/gone/"}
    committed.write_text(json.dumps(document))
    with pytest.raises(SystemExit) as ended:
        printed("--check", str(committed))
    assert ended.value.code == 1
    assert "breaking: /gone/: was removed" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"openapi": "3.0"}'])
def test_a_file_without_a_schema_is_named(printed, tmp_path, text) -> None:
    path = tmp_path / "schema.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"schema\.json"):
        printed("--check", str(path))


def test_a_missing_dependency_is_named(printed, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rest_channels.schema.document", None)
    with pytest.raises(CommandError, match=r"pip install drf-spectacular"):
        printed()


def test_the_committed_schema_of_the_demo_is_current() -> None:
    """It is the same in each version of Python, so it shows that the output is stable."""
    command = [sys.executable, ROOT / "demo/manage.py", "socket_schema"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "demo.settings", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == (ROOT / "demo/schema.json").read_text(), (
        "Run python demo/manage.py socket_schema --output demo/schema.json"
    )


def test_each_argument_in_a_path_of_the_demo_is_a_whole_segment() -> None:
    channels = json.loads((ROOT / "demo/schema.json").read_text())["channels"].values()
    segments = {part for each in channels for part in each["address"].split("/")}
    arguments = {part for part in segments if "{" in part}
    assert arguments == {"{pk}", "{room_name}", "{page}"}


def test_a_file_in_a_folder_that_is_missing_is_an_error(tmp_path) -> None:
    with pytest.raises(CommandError, match=r"missing.sockets\.ts cannot be written: No such file"):
        call_command("socket_schema", output=tmp_path / "missing" / "sockets.ts")
