"""Servers start and stop with an application of the library."""

import re
import signal

import pytest

from .conftest import TIMEOUT, logged_problems


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-asyncio", "daphne"])
async def test_a_server_that_receives_sigterm_ends_soon_with_sockets_open(
    start_server, kind
) -> None:
    server = start_server(kind)
    server.wait_until_ready()
    idle = await server.connect("frames/room/a/")
    lesson = await server.connect("ws/chat/lobby/")
    hanging = [
        await server.connect(f"departures/{kind_of_handler}/{kind_of_handler}/")
        for kind_of_handler in ("async", "def")
    ]
    for client in hanging:
        await client.send_json(None)
        assert [await client.receive_json(), await client.receive_json()] == ["open", "hanging"]
    server.process.send_signal(signal.SIGTERM)
    assert await server.wait_exit(5) in (0, -signal.SIGTERM)
    codes = [(await client.receive_close())[0] for client in (idle, lesson, *hanging)]
    assert codes == [1006 if kind == "daphne" else 1012] * 4
    log = server.log()
    if kind != "daphne":  # daphne only waits for the first application to end
        assert sorted(re.findall("(.*) disconnected", log)) == ["async", "def"]
    assert logged_problems(log) == []


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ("tests.servers.no_such_module", '"tests.servers" does not define a "no_such_module"'),
        ("tests.servers.broken", "has no attribute 'NoSuchConsumer'"),
        ("tests.servers.test_startup_and_shutdown.broken", "'/room/' is no route: use path()"),
        (
            "tests.servers.test_startup_and_shutdown.TIMEOUT",
            f"takes a list of routes, not {TIMEOUT}",
        ),
    ],
)
async def test_uvicorn_refuses_to_start_with_broken_routes_and_logs_the_reason(
    start_server, routes, message
) -> None:
    server = start_server("uvicorn", TEST_ROUTES=routes)
    assert await server.wait_exit(TIMEOUT) == 3
    assert message in server.log()


broken = ["/room/"]


async def test_daphne_without_lifespan_reports_broken_routes_at_the_first_socket(
    start_server,
) -> None:
    server = start_server("daphne", TEST_ROUTES="tests.servers.test_startup_and_shutdown.broken")
    server.wait_until_ready()
    with pytest.raises(Exception, match="500"):
        await server.connect("frames/echo/")
    assert "'/room/' is no route: use path()" in server.log()
    assert (await server.get("hello/"))[1] == "hello"


async def test_runserver_with_daphnes_app_serves_pages_files_and_sockets(checked_server) -> None:
    server = checked_server("runserver")
    assert (await server.get("hello/"))[1] == "hello"
    response, script = await server.get("static/rest_channels/client.js")
    assert "javascript" in response.headers["Content-Type"]
    assert "export" in script
    async with server.connect("frames/echo/") as client:
        await client.send_json("hello")
        assert await client.receive_json() == "hello"
