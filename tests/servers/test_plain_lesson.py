"""The Channels lesson runs unchanged next to views of the library, on all servers.

Source: the lesson on plain Channels consumers.
"""

import pytest


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-asyncio", "daphne", "runserver"])
async def test_the_lesson_runs_inside_the_application_of_the_library(checked_server, kind) -> None:
    server = checked_server(kind)
    async with server.connect("ws/chat/lobby/") as lesson, server.connect("frames/echo/") as echo:
        await lesson.send_json({"message": "hello"})
        assert await lesson.receive_json() == {"message": "hello"}
        await echo.send_json("hello")
        assert await echo.receive_json() == "hello"


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_views_of_the_library_run_inside_the_application_of_the_lesson(
    checked_server, kind
) -> None:
    server = checked_server(kind, "asgi_channels")
    async with server.connect("ws/chat/lobby/") as lesson, server.connect("room/a/") as echo:
        await lesson.send_json({"message": "hello"})
        assert await lesson.receive_json() == {"message": "hello"}
        await echo.send_json("hello")
        assert await echo.receive_json() == "hello"


async def test_a_client_of_the_lesson_that_vanishes_causes_no_error(server) -> None:
    client = await server.connect("ws/chat/lobby/")
    client.transport.abort()
    await client.wait_closed()
    async with server.connect("ws/chat/lobby/") as other:
        await other.send_json({"message": "still here"})
        assert await other.receive_json() == {"message": "still here"}
