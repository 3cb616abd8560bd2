"""What a view gets to see of one event."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.test import override_settings

from rest_channels.groups import Group
from rest_channels.parsers import MessagePackParser
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Peek(SocketView):
    """Shows every request to the test."""

    look = None

    async def connect(self, request, **kwargs):
        self.look(request)

    receive = connect
    disconnect = connect


async def requests_of(*frames, path="/", **options):
    """The requests of one connection: connect, one for each of `frames`, disconnect."""
    seen = []
    async with SocketCommunicator(
        Peek.as_asgi(look=staticmethod(seen.append)), path, **options
    ) as s:
        for frame in frames:
            await s.send_to(
                **({"bytes_data": frame} if isinstance(frame, bytes) else {"text_data": frame})
            )
        await s.disconnect(4321)
    return seen


async def test_the_three_events_look_like_requests_of_http() -> None:
    connect, receive, disconnect = await requests_of("1")
    assert [one.event for one in (connect, receive, disconnect)] == [
        "connect",
        "receive",
        "disconnect",
    ]
    assert [one.method for one in (connect, receive, disconnect)] == ["GET", "POST", "GET"]
    assert [one.content_type for one in (connect, receive, disconnect)] == ["none", "text", "none"]
    assert (connect.code, receive.code, disconnect.code) == (None, None, 4321)


async def test_the_handshake_is_read_with_djangos_words() -> None:
    headers = [("cookie", "a=1; b=2"), ("x-real-ip", "10.0.0.1"), ("user-agent", "Test")]
    request, _end = await requests_of(path="/r%C3%B6om/?q=1&q=2&e=%E2%82%AC", headers=headers)
    assert request.path == "/röom/"
    assert request.query_params == QueryDict("q=1&q=2&e=€") == request.GET
    assert request.query_params.getlist("q") == ["1", "2"]
    assert request.headers["User-Agent"] == "Test"
    assert request.COOKIES == {"a": "1", "b": "2"}
    assert request.META["REMOTE_ADDR"] == "127.0.0.1"
    assert request.META["HTTP_X_REAL_IP"] == "10.0.0.1"


async def test_the_handshake_is_an_http_request_too() -> None:
    request, _end = await requests_of(path="/room/?q=1")
    assert request.http.get_host() == "testserver"
    assert request.http.build_absolute_uri() == "http://testserver/room/?q=1"
    assert not request.http.is_secure()


async def test_a_secure_socket_is_a_secure_request() -> None:
    seen = []
    communicator = SocketCommunicator(Peek.as_asgi(look=staticmethod(seen.append)))
    communicator.scope["scheme"] = "wss"
    async with communicator:
        pass
    assert seen[0].http.is_secure()


async def test_without_a_login_the_user_is_nobody() -> None:
    request, _end = await requests_of()
    assert isinstance(request.user, AnonymousUser)
    assert request.session is None
    assert request.http_session is None
    assert request.channel_session is None
    assert request.auth is None


async def test_user_and_session_are_those_of_the_handshake() -> None:
    user, session = object(), {"a": 1}
    request, _end = await requests_of(user=user, session=session)
    assert request.user is user is request.http.user
    assert request.session is session is request.http.session


async def test_a_user_that_is_set_stays_for_the_connections_life() -> None:
    class Login(SocketView):
        async def receive(self, request):
            self.send_json(str(request.user))
            request.user = request.data

    async with SocketCommunicator(Login.as_asgi()) as socket:
        for said, user in (("ada", "AnonymousUser"), ("bob", "ada"), ("", "bob")):
            await socket.send_json(said)
            await socket.expect_event(user)


async def test_a_user_of_one_event_is_nobody_to_the_next() -> None:
    class Sudo(SocketView):
        async def receive(self, request):
            request.set_event_user(request.data)
            self.send_json([request.user, str(request.scope.get("user"))])

        async def disconnect(self, request):
            left.append(str(request.user))

    left = []
    async with SocketCommunicator(Sudo.as_asgi(), user="ada") as socket:
        for said in ("root", "bob"):
            await socket.send_json(said)
            await socket.expect_event([said, "ada"])
    assert left == ["ada"]


async def test_a_user_that_is_set_outdoes_the_user_of_the_event() -> None:
    (request, _end) = await requests_of()
    request.set_event_user("root")
    request.user = "ada"
    assert request.user == request.scope["user"] == "ada"


# The frame


async def test_a_text_frame_is_there_as_it_came_and_parsed() -> None:
    _connect, request, _end = await requests_of('{"a": [1, "ä"]}')
    assert request.TEXT == '{"a": [1, "ä"]}'
    assert request.BYTES is None
    assert request.data == {"a": [1, "ä"]}
    assert request.data is request.data


async def test_a_binary_frame_is_there_as_it_came_and_parsed_where_there_is_a_parser() -> None:
    with override_settings(REST_CHANNELS={"DEFAULT_BYTES_PARSER_CLASS": MessagePackParser}):
        _connect, request, _end = await requests_of(b"\x81\xa1a\x01")
        assert request.content_type == "bytes"
        assert (request.TEXT, request.BYTES) == (None, b"\x81\xa1a\x01")
        assert request.data == {"a": 1}


async def test_events_without_a_frame_have_no_data() -> None:
    for request in await requests_of():
        assert (request.data, request.TEXT, request.BYTES) == ({}, None, None)
        assert request.request_id is None


@pytest.mark.parametrize("binary", [b"", b"\x00", b'{"a": 1}', b"\xff\xfe"])
async def test_a_binary_frame_without_a_parser_for_it_is_refused_when_it_is_read(binary) -> None:
    class Reader(SocketView):
        async def receive(self, request):
            self.send_json({"size": len(request.BYTES)})
            self.send_json(request.data)

    async with SocketCommunicator(Reader.as_asgi()) as socket:
        await socket.send_to(bytes_data=binary)
        await socket.expect_event({"size": len(binary)})
        refusal = await socket.expect_event(status=400)
        assert refusal.keys() == {"detail", "status"}
        assert "bytes" in refusal["detail"]


async def test_who_never_reads_the_data_may_be_sent_anything() -> None:
    class Raw(SocketView):
        async def receive(self, request):
            self.send_json([request.TEXT, request.content_type])

    async with SocketCommunicator(Raw.as_asgi()) as socket:
        await socket.send_to("{not json")
        await socket.expect_event(["{not json", "text"])


@pytest.mark.parametrize(
    ("frame", "request_id"),
    [
        ('{"request_id": 5}', 5),
        ('{"request_id": [1]}', [1]),
        ("[5]", None),
        ("{", None),
        ("{}", None),
    ],
)
async def test_the_id_of_a_request_is_the_frames_where_it_has_one(frame, request_id) -> None:
    _connect, request, _end = await requests_of(frame)
    assert request.request_id == request_id


async def test_a_parser_of_ones_own_that_fails_is_a_500_with_one_answer(caplog) -> None:
    asked = []

    class Broken:
        def parse(self, frame):
            asked.append(frame)
            raise ValueError("MARKER")

    class Reader(SocketView):
        text_parser_class = Broken

        async def receive(self, request):
            self.send_json(request.data)

    async with SocketCommunicator(Reader.as_asgi()) as socket:
        await socket.send_to("1")
        await socket.expect_event({"detail": "A server error occurred.", "status": 500})
        await socket.expect_nothing()


async def test_a_frame_that_cannot_be_parsed_is_parsed_once() -> None:
    from rest_framework.exceptions import ParseError

    asked = []

    class Counting:
        def parse(self, frame):
            asked.append(frame)
            raise ParseError("no")

    class Reader(SocketRouteView):
        text_parser_class = Counting

    async with SocketCommunicator(Reader.as_asgi()) as socket:
        await socket.send_to("1")
        await socket.expect_event(status=400)
    assert asked == ["1"]


# Channels 1


async def test_a_request_has_the_names_of_a_channels_1_message() -> None:
    connect, text, binary, disconnect = await requests_of("hey", b"\x00", path="/r/?x=1")
    assert connect.channel.name == "websocket.connect"
    assert text.channel.name == "websocket.receive"
    assert disconnect.channel.name == "websocket.disconnect"
    address = text.reply_channel.name
    base = {"reply_channel": address, "path": "/r/"}
    assert text.content == {**base, "order": 1, "text": "hey"}
    assert binary.content == {**base, "order": 2, "bytes": b"\x00"}
    assert disconnect.content == {**base, "order": 3, "code": 4321}


async def test_the_content_of_a_connect_tells_of_the_handshake() -> None:
    connect, _end = await requests_of(path="/r/?x=1")
    content = connect.content
    assert (content["order"], content["query_string"]) == (0, b"x=1")
    assert content["client"] == ("127.0.0.1", 50_000)
    assert (b"host", b"testserver") in content["headers"]


async def test_the_content_may_be_read_and_written_as_the_message_itself() -> None:
    _connect, message, _end = await requests_of("hey", path="/r/")
    assert (message["path"], message["text"], message.get("text")) == ("/r/", "hey", "hey")
    assert "text" in message
    assert "bytes" not in message
    assert (message.get("bytes"), message.get("bytes", b"")) == (None, b"")
    message["x"] = "y"
    assert message["x"] == message.content["x"] == "y"
    assert dict(message) == message.content == dict(message.items())
    assert list(message.keys()) == list(message.content)
    assert list(message.values()) == list(message.content.values())
    with pytest.raises(KeyError):
        message["bytes"]


async def test_a_scope_with_nothing_optional_makes_a_connect_all_the_same() -> None:
    seen = []
    socket = SocketCommunicator(Peek.as_asgi(look=staticmethod(seen.append)))
    for key in ("headers", "query_string", "client", "server"):
        del socket.scope[key]
    async with socket:
        pass
    assert (seen[0]["headers"], seen[0]["query_string"]) == ([], b"")
    assert (seen[0]["client"], seen[0]["server"]) == (None, None)


async def test_the_reply_channel_leads_back_and_into_groups() -> None:
    class Old(SocketView):
        def receive(self, request):
            request.reply_channel.send({"text": '"direct"'})
            Group("old").add(request.reply_channel)
            Group("old").send({"text": '"group"'})

    async with SocketCommunicator(Old.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event("direct")
        await socket.expect_event("group")


async def test_two_connections_have_two_addresses() -> None:
    (one, _), (two, _) = await requests_of(), await requests_of()
    assert one.reply_channel.name != two.reply_channel.name
