"""The Channels lesson runs unchanged next to views of the library, on all servers.

Source: the lesson on plain Channels consumers.
"""

import pytest


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-asyncio", "daphne", "runserver"])
async def test_the_lesson_runs_inside_the_application_of_the_library(checked, kind) -> None:
    server = checked(kind)
    async with server.connect("ws/chat/lobby/") as lesson, server.connect("frames/echo/") as echo:
        await lesson.say({"message": "hello"})
        assert await lesson.hear() == {"message": "hello"}
        await echo.say("hello")
        assert await echo.hear() == "hello"


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_views_of_the_library_run_inside_the_application_of_the_lesson(checked, kind) -> None:
    server = checked(kind, "asgi_channels")
    async with server.connect("ws/chat/lobby/") as lesson, server.connect("room/a/") as echo:
        await lesson.say({"message": "hello"})
        assert await lesson.hear() == {"message": "hello"}
        await echo.say("hello")
        assert await echo.hear() == "hello"


async def test_a_client_of_the_lesson_that_vanishes_causes_no_error(server) -> None:
    client = await server.connect("ws/chat/lobby/")
    client.transport.abort()
    await client.wait_closed()
    async with server.connect("ws/chat/lobby/") as other:
        await other.say({"message": "still here"})
        assert await other.hear() == {"message": "still here"}
