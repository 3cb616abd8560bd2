"""`manage.py startsocket`: what it creates and prints. A browser test uses the app."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings


def start(name, folder):
    output = StringIO()
    folder.mkdir()
    call_command("startsocket", name, str(folder), stdout=output)
    return output.getvalue()


def test_the_app_has_a_socket_its_route_its_page_and_a_test(tmp_path) -> None:
    start("team_chat", tmp_path / "team_chat")
    files = {str(p.relative_to(tmp_path / "team_chat")) for p in tmp_path.rglob("*.*")}
    names = {"apps", "live", "urls", "views", "tests", "__init__"}
    assert files == {f"{name}.py" for name in names} | {"templates/team_chat/page.html"}
    live = (tmp_path / "team_chat/live.py").read_text()
    assert 'path("ws/team_chat/", TeamChatSocket.as_asgi())' in live


def test_a_project_without_sockets_is_told_to_make_an_application(tmp_path) -> None:
    with override_settings(ASGI_APPLICATION=None):
        output = start("board", tmp_path / "board")
    assert 'application = SocketApplication("board.live", http=ASGI' in output
    assert 'ASGI_APPLICATION = "tests.asgi.application"' in output


def test_a_project_with_sockets_is_told_to_add_a_route(tmp_path) -> None:
    output = start("board", tmp_path / "board")
    assert 'path("", include("board.live")),' in output
    assert "SocketApplication(" not in output


@pytest.mark.parametrize("name", ["two words", "1st", "os"])
def test_a_name_that_no_app_can_have_is_refused(name, tmp_path) -> None:
    with pytest.raises(CommandError):
        start(name, tmp_path / "x")
