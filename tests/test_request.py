"""The request of a view: one event of a connection."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.test import override_settings

from rest_channels.groups import Group
from rest_channels.parsers import MessagePackParser
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class Recorder(SocketView):
    """Passes every request to `record`."""

    record = None

    async def connect(self, request, **kwargs):
        self.record(request)

    receive = connect
    disconnect = connect


async def requests_of(*frames, path="/", **options):
    """Return the requests of a connection: connect, one for each of `frames`, disconnect."""
    requests = []
    async with SocketCommunicator(
        Recorder.as_asgi(record=staticmethod(requests.append)), path, **options
    ) as socket:
        for frame in frames:
            await socket.send_to(
                **({"bytes_data": frame} if isinstance(frame, bytes) else {"text_data": frame})
            )
        await socket.disconnect(4321)
    return requests


async def test_the_three_events_have_the_attributes_of_http_requests() -> None:
    connect, receive, disconnect = await requests_of("1")
    assert [request.event for request in (connect, receive, disconnect)] == [
        "connect",
        "receive",
        "disconnect",
    ]
    assert [request.method for request in (connect, receive, disconnect)] == ["GET", "POST", "GET"]
    assert [request.content_type for request in (connect, receive, disconnect)] == [
        "none",
        "text",
        "none",
    ]
    assert (connect.code, receive.code, disconnect.code) == (None, None, 4321)


async def test_a_request_has_the_attributes_of_the_handshake_under_the_names_of_django() -> None:
    headers = [("cookie", "a=1; b=2"), ("X-Client-Version", "10.0.0.1"), ("user-agent", "Test")]
    request, _end = await requests_of(path="/r%C3%B6om/?q=1&q=2&e=%E2%82%AC", headers=headers)
    assert request.path == "/röom/"
    assert request.query_params == QueryDict("q=1&q=2&e=€") == request.GET
    assert request.query_params.getlist("q") == ["1", "2"]
    assert request.headers["User-Agent"] == "Test"
    assert request.COOKIES == {"a": "1", "b": "2"}
    assert request.META["REMOTE_ADDR"] == "127.0.0.1"
    assert request.META["HTTP_X_CLIENT_VERSION"] == "10.0.0.1"


async def test_a_request_has_the_handshake_as_an_http_request() -> None:
    request, _end = await requests_of(path="/room/?q=1")
    assert request.http.get_host() == "testserver"
    assert request.http.build_absolute_uri() == "http://testserver/room/?q=1"
    assert not request.http.is_secure()


async def test_a_secure_socket_gives_a_secure_request() -> None:
    requests = []
    communicator = SocketCommunicator(Recorder.as_asgi(record=staticmethod(requests.append)))
    communicator.scope["scheme"] = "wss"
    async with communicator:
        pass
    assert requests[0].http.is_secure()


async def test_the_user_is_anonymous_without_a_login() -> None:
    request, _end = await requests_of()
    assert isinstance(request.user, AnonymousUser)
    assert request.session is None
    assert request.http_session is None
    assert request.channel_session is None
    assert request.auth is None


async def test_a_request_has_the_user_and_the_session_of_the_handshake() -> None:
    user, session = object(), {"a": 1}
    request, _end = await requests_of(user=user, session=session)
    assert request.user is user is request.http.user
    assert request.session is session is request.http.session


async def test_a_user_that_is_set_stays_until_the_connection_ends() -> None:
    class Login(SocketView):
        async def receive(self, request):
            self.send_json(str(request.user))
            request.user = request.data

    async with SocketCommunicator(Login.as_asgi()) as socket:
        for name, user in (("ada", "AnonymousUser"), ("bob", "ada"), ("", "bob")):
            await socket.send_json(name)
            await socket.expect_event(user)


async def test_a_user_that_is_set_for_one_event_is_not_the_user_of_the_next() -> None:
    class SetEventUser(SocketView):
        async def receive(self, request):
            request.set_event_user(request.data)
            self.send_json([request.user, str(request.scope.get("user"))])

        async def disconnect(self, request):
            users_on_disconnect.append(str(request.user))

    users_on_disconnect = []
    async with SocketCommunicator(SetEventUser.as_asgi(), user="ada") as socket:
        for name in ("root", "bob"):
            await socket.send_json(name)
            await socket.expect_event([name, "ada"])
    assert users_on_disconnect == ["ada"]


async def test_a_user_that_is_set_replaces_the_user_of_the_event() -> None:
    (request, _end) = await requests_of()
    request.set_event_user("root")
    request.user = "ada"
    assert request.user == request.scope["user"] == "ada"


# The frame


async def test_a_request_has_the_text_of_a_frame_and_its_parsed_data() -> None:
    _connect, request, _end = await requests_of('{"a": [1, "ä"]}')
    assert request.TEXT == '{"a": [1, "ä"]}'
    assert request.BYTES is None
    assert request.data == {"a": [1, "ä"]}
    assert request.data is request.data


async def test_a_request_has_the_bytes_of_a_frame_and_its_parsed_data() -> None:
    with override_settings(REST_CHANNELS={"DEFAULT_BYTES_PARSER_CLASS": MessagePackParser}):
        _connect, request, _end = await requests_of(b"\x81\xa1a\x01")
        assert request.content_type == "bytes"
        assert (request.TEXT, request.BYTES) == (None, b"\x81\xa1a\x01")
        assert request.data == {"a": 1}


async def test_an_event_without_a_frame_has_no_data() -> None:
    for request in await requests_of():
        assert (request.data, request.TEXT, request.BYTES) == ({}, None, None)
        assert request.request_id is None


@pytest.mark.parametrize("binary", [b"", b"\x00", b'{"a": 1}', b"\xff\xfe"])
async def test_reading_a_binary_frame_without_a_parser_is_answered_with_400(binary) -> None:
    class Reader(SocketView):
        async def receive(self, request):
            self.send_json({"size": len(request.BYTES)})
            self.send_json(request.data)

    async with SocketCommunicator(Reader.as_asgi()) as socket:
        await socket.send_to(bytes_data=binary)
        await socket.expect_event({"size": len(binary)})
        answer = await socket.expect_event(status=400)
        assert answer.keys() == {"detail", "status"}
        assert "bytes" in answer["detail"]


async def test_a_view_that_never_reads_the_data_accepts_any_frame() -> None:
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
async def test_a_request_has_the_id_of_its_frame_or_none(frame, request_id) -> None:
    _connect, request, _end = await requests_of(frame)
    assert request.request_id == request_id


async def test_a_parser_that_raises_an_unexpected_error_is_answered_with_one_500(caplog) -> None:
    frames = []

    class Broken:
        def parse(self, frame):
            frames.append(frame)
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

    frames = []

    class Counting:
        def parse(self, frame):
            frames.append(frame)
            raise ParseError("no")

    class Reader(SocketRouteView):
        text_parser_class = Counting

    async with SocketCommunicator(Reader.as_asgi()) as socket:
        await socket.send_to("1")
        await socket.expect_event(status=400)
    assert frames == ["1"]


# Channels 1


async def test_a_request_has_the_attributes_of_a_channels_1_message() -> None:
    connect, text, binary, disconnect = await requests_of("hey", b"\x00", path="/r/?x=1")
    assert connect.channel.name == "websocket.connect"
    assert text.channel.name == "websocket.receive"
    assert disconnect.channel.name == "websocket.disconnect"
    address = text.reply_channel.name
    base = {"reply_channel": address, "path": "/r/"}
    assert text.content == {**base, "order": 1, "text": "hey"}
    assert binary.content == {**base, "order": 2, "bytes": b"\x00"}
    assert disconnect.content == {**base, "order": 3, "code": 4321}


async def test_the_content_of_a_connect_event_describes_the_handshake() -> None:
    connect, _end = await requests_of(path="/r/?x=1")
    content = connect.content
    assert (content["order"], content["query_string"]) == (0, b"x=1")
    assert content["client"] == ("127.0.0.1", 50_000)
    assert (b"host", b"testserver") in content["headers"]


async def test_the_content_can_be_read_and_written_through_the_request() -> None:
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


async def test_a_scope_without_optional_keys_gives_a_connect_event() -> None:
    requests = []
    socket = SocketCommunicator(Recorder.as_asgi(record=staticmethod(requests.append)))
    for key in ("headers", "query_string", "client", "server"):
        del socket.scope[key]
    async with socket:
        pass
    assert (requests[0]["headers"], requests[0]["query_string"]) == ([], b"")
    assert (requests[0]["client"], requests[0]["server"]) == (None, None)


async def test_the_reply_channel_sends_to_the_connection_and_joins_groups() -> None:
    class Old(SocketView):
        def receive(self, request):
            request.reply_channel.send({"text": '"direct"'})
            Group("old").add(request.reply_channel)
            Group("old").send({"text": '"group"'})

    async with SocketCommunicator(Old.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_event("direct")
        await socket.expect_event("group")


async def test_two_connections_have_different_addresses() -> None:
    (first, _), (second, _) = await requests_of(), await requests_of()
    assert first.reply_channel.name != second.reply_channel.name
