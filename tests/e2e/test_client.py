"""client.js in a real browser, against a server that the test plays itself."""

import json

import pytest
import pytest_asyncio
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from .conftest import CLIENT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """<!doctype html><link rel="icon" href="data:,"><script type="module">
  import * as client from "/client.js";
  window.client = client;
  window.open_socket = ({ idle, ...options }) => {
    if (idle) Math.random = () => 1; // waits as long as can be, here 15 s, before it reconnects
    const socket = (window.socket = new client.SocketClient("/ws/", { base: 20, ...options }));
    window.log = [];
    for (const event of ["state", "close", "reconnecting", "error", "message"])
      socket.on(event, (detail) => log.push([event, detail]));
    window.seen = (event) => log.filter(([name]) => name === event).map(([, detail]) => detail);
    window.settled = (promise) => promise.then(
      (value) => ({ value }),
      ({ name, message, status, detail }) => ({ name, message, status, detail }),
    );
    socket.on("close", (event) => (window.last_close = event));
  };
</script>"""


class FakeServer:
    """Every connection and every frame, and what to do with them; also serves the page."""

    def __init__(self) -> None:
        self.connections = []
        self.frames = []
        self.deaf = False  # accepts, and never answers
        self.reply = lambda frame: None

    async def __call__(self, connection):
        self.connections.append(connection)
        async for text in connection:
            frame = json.loads(text)
            if self.deaf:
                continue
            if "$ping" in frame:
                await connection.send(json.dumps({"$pong": frame["$ping"]}))
                continue
            self.frames.append(frame)
            if (answer := self.reply(frame)) is not None:
                await connection.send(json.dumps(answer))

    def http(self, connection, request):
        if request.path == "/ws/":
            return None
        script = request.path == "/client.js"
        kind = "text/javascript" if script else "text/html"
        body = CLIENT.read_bytes() if script else PAGE.encode()
        return Response(
            200, "OK", Headers({"Content-Type": kind, "Content-Length": str(len(body))}), body
        )

    async def push(self, frame):
        await self.connections[-1].send(json.dumps(frame))

    async def close(self, code, reason=""):
        await self.connections[-1].close(code, reason)


@pytest_asyncio.fixture(loop_scope="session")
async def fake(browser):
    server = FakeServer()
    async with serve(
        server, "127.0.0.1", 0, process_request=server.http, ping_interval=None
    ) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        yield server
        for connection in server.connections:
            connection.transport.abort()


@pytest_asyncio.fixture(loop_scope="session")
async def connect(fake, visitor):
    """`page = await connect(dialect="method")`: a page with an open socket."""

    async def connected(**options):
        page = await visitor()
        await page.goto(fake.url)
        await page.evaluate("options => open_socket(options)", options)
        await page.wait_for_function("socket.state === 'ready'")
        return page

    return connected


# Requests


async def test_a_request_resolves_with_the_data_of_its_reply(fake, connect):
    fake.reply = lambda frame: {**frame, "data": frame["data"]["text"].upper(), "status": 200}
    page = await connect(dialect="method")
    assert await page.evaluate("socket.request('shout', { text: 'hi' })") == "HI"
    assert fake.frames == [{"method": "shout", "data": {"text": "hi"}, "request_id": 1}]


async def test_replies_find_their_requests_in_any_order(fake, connect):
    page = await connect(dialect="action")
    both = (
        "window.both = Promise.all([socket.request('list', { page: 1 }), socket.request('count')])"
    )
    await page.evaluate(f"() => {{ {both} }}")
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[0] == {"action": "list", "page": 1, "request_id": 1}
    for frame in reversed(fake.frames):
        reply = {"errors": [], "data": frame["action"], "response_status": 200}
        await fake.push({**reply, "action": frame["action"], "request_id": frame["request_id"]})
    assert await page.evaluate("both") == ["list", "count"]


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("method", {"method": "save", "data": {"detail": "Not yours."}, "status": 403}),
        (
            "action",
            {"action": "save", "data": None, "errors": ["Not yours."], "response_status": 403},
        ),
        ("none", {"detail": "Not yours.", "status": 403}),
    ],
)
async def test_a_refused_request_rejects_with_status_and_detail(fake, connect, dialect, answer):
    fake.reply = lambda frame: {**answer, "request_id": frame["request_id"]}
    page = await connect(dialect=dialect)
    error = await page.evaluate("settled(socket.request('save', {}))")
    assert (error["name"], error["status"], error["message"]) == ("SocketError", 403, "Not yours.")


async def test_a_server_that_asks_for_a_sign_of_life_gets_one(fake, connect):
    await connect(dialect="type")
    await fake.push({"type": "PING", "TIMESTAMP": "1"})
    await eventually(lambda: fake.frames)
    assert fake.frames[0]["type"] == "PING"


async def test_a_subscription_that_gives_up_its_own_request_keeps_the_connection(fake, connect):
    page = await connect(dialect="action")
    await page.evaluate(
        """() => socket.subscribe((now) => {
            const newer = new AbortController();
            const older = now.request("list", {}, { signal: newer.signal });
            newer.abort();
            return older;
        })"""
    )
    await eventually(lambda: fake.frames)
    assert await page.evaluate("socket.state") == "ready"


async def test_errors_by_field_read_as_a_sentence(fake, connect):
    fake.reply = lambda frame: {
        "tempo": ["Too fast."],
        "status": 400,
        "request_id": frame["request_id"],
    }
    page = await connect(dialect="method")
    error = await page.evaluate("settled(socket.request('save'))")
    assert error["message"] == "tempo: Too fast."
    assert error["detail"] == {"tempo": ["Too fast."]}


async def test_without_a_dialect_the_view_only_has_to_echo_the_request_id(fake, connect):
    fake.reply = lambda frame: {"sum": frame["a"] + frame["b"], "request_id": frame["request_id"]}
    page = await connect()
    assert (await page.evaluate("socket.request({ a: 1, b: 2 })"))["sum"] == 3


async def test_the_type_dialect_refuses_requests_and_says_why(fake, connect):
    page = await connect(dialect="type")
    assert "no replies" in (await page.evaluate("settled(socket.request('PING'))"))["message"]
    await page.evaluate("socket.send('MOVE', { x: 1 })")
    await eventually(lambda: fake.frames == [{"x": 1, "type": "MOVE"}])


async def test_a_request_gives_up_after_its_timeout(fake, connect):
    page = await connect(dialect="method")
    error = await page.evaluate("settled(socket.request('slow', {}, { timeout: 30 }))")
    assert (error["status"], error["message"]) == (0, 'No reply to "slow" within 30 ms.')


async def test_a_request_can_be_aborted(fake, connect):
    page = await connect(dialect="method")
    error = await page.evaluate("""() => {
        const abort = new AbortController();
        const answer = settled(socket.request("slow", {}, { signal: abort.signal }));
        abort.abort();
        return answer;
    }""")
    assert error["name"] == "AbortError"


async def test_a_lost_connection_rejects_requests_but_resends_idempotent_ones(fake, connect):
    page = await connect(dialect="method")
    await page.evaluate("""() => {
        window.pay = settled(socket.request("pay"));
        window.save = socket.request("save", {}, { retry: true });
    }""")
    await eventually(lambda: len(fake.frames) == 2)
    fake.reply = lambda frame: {**frame, "data": "saved", "status": 200}
    await fake.close(1012)
    assert (await page.evaluate("pay"))["message"] == "The server is restarting."
    assert await page.evaluate("save") == "saved"
    assert [frame["method"] for frame in fake.frames] == ["pay", "save", "save"]


# Messages


async def test_messages_are_heard_by_name_until_unsubscribed(fake, connect):
    page = await connect(dialect="method")
    await page.evaluate(
        "() => { window.heard = []; window.stop = socket.on('note', (data) => heard.push(data)); }"
    )
    await fake.push({"method": "note", "data": 1})
    await page.wait_for_function("heard.length === 1")
    await page.evaluate("stop()")
    await fake.push({"method": "note", "data": 2})
    await page.wait_for_function("seen('message').length === 2")
    assert await page.evaluate("heard") == [1]


async def test_no_message_can_pass_itself_off_as_an_event_of_the_connection(fake, connect):
    page = await connect(dialect="type")
    await fake.push({"type": "close", "code": 1000})
    await page.wait_for_function("seen('message').length === 1")
    assert await page.evaluate("seen('close')") == []


async def test_frames_that_are_no_objects_are_messages_too(fake, connect):
    page = await connect(dialect="method")
    await fake.connections[-1].send("no json")
    await fake.push(None)
    await fake.push([1])
    await page.wait_for_function("seen('message').length === 3")
    assert await page.evaluate("seen('message')") == ["no json", None, [1]]


# The connection


WATCH = """() => {
  window.told = [];
  const hear = (data, frame) => told.push([data, frame.action]);
  window.stop = socket.watch("subscribe_instance", { pk: 1 }, hear);
}"""


async def test_a_watch_hears_all_that_comes_under_its_id(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": None, "response_status": 201}
    await page.evaluate(WATCH)
    await eventually(lambda: len(fake.frames) == 1)
    for number in (1, 2):
        event = {"action": "update", "request_id": 1, "response_status": 200, "data": number}
        await fake.connections[-1].send(json.dumps(event))
    await page.wait_for_function("told.length === 2")
    assert await page.evaluate("told") == [[1, "update"], [2, "update"]]


async def test_a_watch_asks_again_when_the_connection_is_back(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": "page", "response_status": 200}
    await page.evaluate(WATCH)
    await page.wait_for_function("told.length === 1")
    await fake.connections[-1].close(4503)
    await page.wait_for_function("told.length === 2")
    assert [frame["request_id"] for frame in fake.frames] == [1, 1]


async def test_a_refusal_ends_a_watch_and_says_why(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "errors": ["No."], "data": None, "response_status": 403}
    await page.evaluate(WATCH)
    await page.wait_for_function("told.length === 1")
    await fake.connections[-1].close(4503)
    await page.wait_for_function("seen('state').filter((state) => state === 'ready').length === 2")
    assert (await page.evaluate("told"), len(fake.frames)) == ([[None, "subscribe_instance"]], 1)


async def test_who_stops_a_watch_may_say_so(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": None, "response_status": 201}
    await page.evaluate(WATCH)
    await eventually(lambda: len(fake.frames) == 1)
    await page.wait_for_function("socket.state === 'ready'")
    await page.evaluate("stop('unsubscribe_instance')")
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[1] == {"action": "unsubscribe_instance", "request_id": 1, "pk": 1}


async def test_sends_wait_for_the_connection_in_order_and_are_bounded(fake, connect):
    page = await connect(queue=2, idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("() => { [1, 2].forEach((n) => socket.send({ n })); }")
    third = await page.evaluate("settled(socket.send({ n: 3 }))")
    assert third["message"] == "Too much waits for the connection."
    await page.evaluate("dispatchEvent(new Event('online'))")
    await eventually(lambda: fake.frames == [{"n": 1}, {"n": 2}])


async def test_codes_that_ask_to_stay_away_are_obeyed(fake, connect):
    page = await connect()
    for code in (1000, 1008, 1009, 4000, 4401, 4403, 4404, 4429, 4600):
        await fake.close(code)
        await page.wait_for_function("socket.state === 'closed'")
        assert await page.evaluate("[last_close.code, last_close.reconnect]") == [code, False]
        assert await page.evaluate("seen('reconnecting')") == []
        await page.evaluate("socket.connect()")
        await page.wait_for_function("socket.state === 'ready'")


async def test_codes_that_ask_to_come_back_are_obeyed(fake, connect):
    page = await connect(cap=20)
    for count, code in enumerate((1001, 1011, 1012, 1013, 3000, 4500, 4503, 4599), start=2):
        await fake.close(code)
        await page.wait_for_function(
            f"seen('state').filter((it) => it === 'ready').length === {count}"
        )
        assert await page.evaluate("[last_close.code, last_close.reconnect]") == [code, True]
        assert len(fake.connections) == count


async def test_a_refusal_after_accepting_is_told_in_the_words_of_the_server(fake, connect):
    page = await connect(dialect="method")
    await fake.push({"detail": "This composition is private.", "status": 403})
    await fake.close(4403)
    await page.wait_for_function("socket.state === 'closed'")
    closed = await page.evaluate("last_close")
    assert (closed["status"], closed["reason"]) == (403, "This composition is private.")


async def test_an_old_error_does_not_explain_a_later_loss(fake, connect):
    page = await connect(dialect="method")
    await fake.push({"detail": "No such method.", "status": 405})
    await fake.close(1012)
    await page.wait_for_function("window.last_close")
    assert await page.evaluate("last_close.reason") == "The server is restarting."


async def test_a_half_open_socket_is_noticed(fake, connect):
    page = await connect(heartbeat=50, patience=500)
    fake.deaf = True
    await page.wait_for_function("window.last_close?.reason === 'The server stopped answering.'")
    await eventually(lambda: len(fake.connections) >= 2)


async def test_a_server_that_answers_pings_keeps_its_connection(fake, connect):
    page = await connect(heartbeat=20, patience=5000)
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 300))")
    assert len(fake.connections) == 1
    assert await page.evaluate("[socket.state, seen('message').length]") == ["ready", 0]


async def test_subscriptions_run_after_every_open_and_before_all_that_waits(fake, connect):
    fake.reply = lambda frame: {**frame, "data": None, "status": 200}
    page = await connect(dialect="method")
    await page.evaluate("() => { socket.subscribe((now) => now.request('sign_in')); }")
    await eventually(lambda: len(fake.frames) == 1)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting' || seen('close').length")
    await page.evaluate("socket.request('save')")
    assert [frame["method"] for frame in fake.frames] == ["sign_in", "sign_in", "save"]


async def test_a_refused_subscription_gives_the_connection_up(fake, connect):
    fake.reply = lambda frame: {
        "detail": "Wrong password.",
        "status": 401,
        "request_id": frame["request_id"],
    }
    page = await connect(dialect="method")
    await page.evaluate("() => { socket.subscribe((now) => now.request('sign_in')); }")
    await page.wait_for_function("socket.state === 'closed'")
    assert await page.evaluate("[last_close.status, last_close.reason]") == [401, "Wrong password."]


async def test_closing_is_for_good_and_rejects_what_waits(fake, connect):
    page = await connect(dialect="method")
    await page.evaluate(
        """() => {
            window.save = settled(socket.request("save", {}, { retry: true }));
            socket.close();
        }"""
    )
    assert (await page.evaluate("save"))["message"] == "The connection was closed."
    assert (await page.evaluate("settled(socket.send({}))"))[
        "message"
    ] == "The connection is closed."
    assert await page.evaluate("[socket.state, seen('close').length]") == ["closed", 1]


async def test_it_can_be_closed_while_it_waits_and_opened_again(fake, connect):
    page = await connect(idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("socket.close()")
    assert await page.evaluate("socket.state") == "closed"
    await page.evaluate("socket.connect()")
    await page.wait_for_function("socket.state === 'ready'")


async def test_a_network_that_comes_back_is_tried_at_once(fake, connect):
    page = await connect(idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.wait_for_function("socket.state === 'ready'")


async def test_tries_spread_over_a_window_that_doubles_up_to_the_cap(fake, connect):
    page = await connect(base=100, cap=400, stable=0)
    await page.evaluate("""() => {
        Math.random = () => 1;
        window.WebSocket = class {
            readyState = 3;
            constructor() { setTimeout(() => this.onclose({ code: 1006 })); }
        };
    }""")
    await fake.close(1012)
    await page.wait_for_function("seen('reconnecting').length >= 5")
    delays = await page.evaluate("seen('reconnecting').slice(0, 5).map(({ delay }) => delay)")
    assert delays == [100, 200, 400, 400, 400]
