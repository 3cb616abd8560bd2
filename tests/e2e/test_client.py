"""client.js in a real browser, with a fake server that each test controls."""

import json

import pytest
import pytest_asyncio
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from scripts.round_robin import stop_accepting

from .conftest import CLIENT, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """<!doctype html><link rel="icon" href="data:,"><script type="module">
  import * as client from "/client.js";
  window.client = client;
  window.openSocket = ({ idle, ...options }) => {
    if (idle) Math.random = () => 1; // wait the longest delay before reconnecting
    const socket = (window.socket = new client.SocketClient("/ws/", { base: 20, ...options }));
    window.log = [];
    for (const event of ["state", "close", "reconnecting", "error", "message"])
      socket.on(event, (detail) => log.push([event, detail]));
    window.eventsOf = (event) => log.filter(([name]) => name === event).map(([, detail]) => detail);
    window.settled = (promise) => promise.then(
      (value) => ({ value }),
      ({ name, message, status, detail }) => ({ name, message, status, detail }),
    );
    socket.on("close", (event) => (window.lastClose = event));
  };
</script>"""


class FakeServer:
    """Records connections and frames, answers frames with `reply`, and serves the page."""

    def __init__(self) -> None:
        self.connections = []
        self.frames = []
        self.pings = 0  # that it has answered
        self.is_silent = False  # accept connections, but answer nothing
        self.refuses = False  # answer handshakes with 403
        self.handshakes = 0
        self.reply = lambda frame: None

    async def __call__(self, connection):
        self.connections.append(connection)
        async for text in connection:
            frame = json.loads(text)
            if self.is_silent:
                continue
            if "$ping" in frame:
                await connection.send(json.dumps({"$pong": frame["$ping"]}))
                self.pings += 1
                continue
            self.frames.append(frame)
            if (answer := self.reply(frame)) is not None:
                await connection.send(json.dumps(answer))

    def serve_page(self, connection, request):
        if request.path == "/ws/" and "Upgrade" not in request.headers:
            return Response(200, "OK", Headers({"Content-Length": "0"}), b"")
        if request.path == "/ws/":
            self.handshakes += 1
            return Response(403, "Forbidden", Headers(), b"") if self.refuses else None
        is_script = request.path == "/client.js"
        content_type = "text/javascript" if is_script else "text/html"
        body = CLIENT.read_bytes() if is_script else PAGE.encode()
        return Response(
            200,
            "OK",
            Headers({"Content-Type": content_type, "Content-Length": str(len(body))}),
            body,
        )

    def select_subprotocol(self, connection, offered):
        return next((name for name in offered if name == "rest-channels"), None)

    async def push(self, frame):
        await self.connections[-1].send(json.dumps(frame))

    async def close(self, code, reason=""):
        await self.connections[-1].close(code, reason)


@pytest_asyncio.fixture(loop_scope="session")
async def fake(browser):
    server = FakeServer()
    async with serve(
        server,
        "127.0.0.1",
        0,
        process_request=server.serve_page,
        select_subprotocol=server.select_subprotocol,
        ping_interval=None,
    ) as listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        yield server
        await stop_accepting(listener.sockets)
        for connection in server.connections:
            connection.transport.abort()


@pytest_asyncio.fixture(loop_scope="session")
async def connect(fake, visitor):
    """`page = await connect(dialect="method")` opens a page with an open socket."""

    async def open_page(**options):
        page = await visitor()
        await page.goto(fake.url)
        await page.evaluate("options => openSocket(options)", options)
        await page.wait_for_function("socket.state === 'ready'")
        return page

    return open_page


# Requests


async def test_a_request_resolves_with_the_data_of_its_reply(fake, connect):
    fake.reply = lambda frame: {**frame, "data": frame["data"]["text"].upper(), "status": 200}
    page = await connect(dialect="method")
    assert await page.evaluate("socket.request('shout', { text: 'hi' })") == "HI"
    assert fake.frames == [{"method": "shout", "data": {"text": "hi"}, "request_id": 1}]


async def test_replies_in_any_order_resolve_their_own_requests(fake, connect):
    page = await connect(dialect="action")
    await page.evaluate("""() => {
        const requests = [socket.request("list", { page: 1 }), socket.request("count")];
        window.replies = Promise.all(requests);
    }""")
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[0] == {"action": "list", "page": 1, "request_id": 1}
    for frame in reversed(fake.frames):
        reply = {"errors": [], "data": frame["action"], "response_status": 200}
        await fake.push({**reply, "action": frame["action"], "request_id": frame["request_id"]})
    assert await page.evaluate("replies") == ["list", "count"]


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
async def test_an_error_frame_rejects_a_request_with_its_status_and_detail(
    fake, connect, dialect, answer
):
    fake.reply = lambda frame: {**answer, "request_id": frame["request_id"]}
    page = await connect(dialect=dialect)
    error = await page.evaluate("settled(socket.request('save', {}))")
    assert (error["name"], error["status"], error["message"]) == ("SocketError", 403, "Not yours.")


async def test_the_client_answers_a_ping_of_the_type_dialect(fake, connect):
    await connect(dialect="type")
    await fake.push({"type": "PING", "TIMESTAMP": "1"})
    await eventually(lambda: fake.frames)
    assert fake.frames[0]["type"] == "PING"


async def test_a_subscription_that_aborts_its_own_request_keeps_the_connection(fake, connect):
    page = await connect(dialect="action")
    await page.evaluate(
        """() => socket.subscribe((now) => {
            const controller = new AbortController();
            const request = now.request("list", {}, { signal: controller.signal });
            controller.abort();
            return request;
        })"""
    )
    await eventually(lambda: fake.frames)
    assert await page.evaluate("socket.state") == "ready"


async def test_the_message_of_an_error_joins_the_errors_of_each_field(fake, connect):
    fake.reply = lambda frame: {
        "tempo": ["Too fast."],
        "status": 400,
        "request_id": frame["request_id"],
    }
    page = await connect(dialect="method")
    error = await page.evaluate("settled(socket.request('save'))")
    assert error["message"] == "tempo: Too fast."
    assert error["detail"] == {"tempo": ["Too fast."]}


async def test_without_a_dialect_a_request_is_resolved_by_a_frame_with_its_request_id(
    fake, connect
):
    fake.reply = lambda frame: {"sum": frame["a"] + frame["b"], "request_id": frame["request_id"]}
    page = await connect()
    assert (await page.evaluate("socket.request({ a: 1, b: 2 })"))["sum"] == 3


async def test_the_type_dialect_rejects_requests_but_sends_messages(fake, connect):
    page = await connect(dialect="type")
    assert "no replies" in (await page.evaluate("settled(socket.request('PING'))"))["message"]
    await page.evaluate("socket.send('MOVE', { x: 1 })")
    await eventually(lambda: fake.frames == [{"x": 1, "type": "MOVE"}])


async def test_a_request_is_rejected_after_its_timeout(fake, connect):
    page = await connect(dialect="method")
    error = await page.evaluate("settled(socket.request('slow', {}, { timeout: 30 }))")
    assert (error["status"], error["message"]) == (0, 'No reply to "slow" within 30 ms.')


async def test_a_request_can_be_aborted_by_a_signal(fake, connect):
    page = await connect(dialect="method")
    error = await page.evaluate("""() => {
        const controller = new AbortController();
        const answer = settled(socket.request("slow", {}, { signal: controller.signal }));
        controller.abort();
        return answer;
    }""")
    assert error["name"] == "AbortError"


async def test_a_lost_connection_rejects_requests_but_sends_those_with_retry_again(fake, connect):
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


async def test_a_listener_receives_messages_of_its_name_until_it_is_removed(fake, connect):
    page = await connect(dialect="method")
    await page.evaluate(
        "() => { window.notes = []; window.stop = socket.on('note', (data) => notes.push(data)); }"
    )
    await fake.push({"method": "note", "data": 1})
    await page.wait_for_function("notes.length === 1")
    await page.evaluate("stop()")
    await fake.push({"method": "note", "data": 2})
    await page.wait_for_function("eventsOf('message').length === 2")
    assert await page.evaluate("notes") == [1]


async def test_a_message_named_like_an_event_of_the_connection_does_not_trigger_it(fake, connect):
    page = await connect(dialect="type")
    await fake.push({"type": "close", "code": 1000})
    await page.wait_for_function("eventsOf('message').length === 1")
    assert await page.evaluate("eventsOf('close')") == []


async def test_frames_that_are_not_objects_are_emitted_as_messages(fake, connect):
    page = await connect(dialect="method")
    await fake.connections[-1].send("no json")
    await fake.push(None)
    await fake.push([1])
    await page.wait_for_function("eventsOf('message').length === 3")
    assert await page.evaluate("eventsOf('message')") == ["no json", None, [1]]


# The connection


WATCH = """() => {
  window.watched = [];
  const record = (data, frame) => watched.push([data, frame.action]);
  window.stop = socket.watch("subscribe_instance", { pk: 1 }, record);
}"""


async def test_a_watch_receives_all_frames_with_its_request_id(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": None, "response_status": 201}
    await page.evaluate(WATCH)
    await eventually(lambda: len(fake.frames) == 1)
    for number in (1, 2):
        event = {"action": "update", "request_id": 1, "response_status": 200, "data": number}
        await fake.connections[-1].send(json.dumps(event))
    await page.wait_for_function("watched.length === 2")
    assert await page.evaluate("watched") == [[1, "update"], [2, "update"]]


async def test_a_watch_sends_its_request_again_after_a_reconnect(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": "page", "response_status": 200}
    await page.evaluate(WATCH)
    await page.wait_for_function("watched.length === 1")
    await fake.connections[-1].close(4503)
    await page.wait_for_function("watched.length === 2")
    assert [frame["request_id"] for frame in fake.frames] == [1, 1]


async def test_an_error_frame_ends_a_watch_and_is_passed_to_its_callback(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "errors": ["No."], "data": None, "response_status": 403}
    await page.evaluate(WATCH)
    await page.wait_for_function("watched.length === 1")
    await fake.connections[-1].close(4503)
    await page.wait_for_function(
        "eventsOf('state').filter((state) => state === 'ready').length === 2"
    )
    assert (await page.evaluate("watched"), len(fake.frames)) == ([[None, "subscribe_instance"]], 1)


async def test_stopping_a_watch_with_a_name_sends_that_request(fake, connect):
    page = await connect(dialect="action")
    fake.reply = lambda frame: {**frame, "data": None, "response_status": 201}
    await page.evaluate(WATCH)
    await eventually(lambda: len(fake.frames) == 1)
    await page.wait_for_function("socket.state === 'ready'")
    await page.evaluate("stop('unsubscribe_instance')")
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[1] == {"action": "unsubscribe_instance", "request_id": 1, "pk": 1}


async def test_a_watch_that_ends_while_the_connection_opens_unsubscribes_too(fake, connect):
    page = await connect(dialect="action")
    await page.evaluate("socket.close()")
    await page.evaluate(WATCH)
    await page.evaluate("socket.connect()")
    await eventually(lambda: fake.frames)
    await page.evaluate("stop('unsubscribe_instance')")
    await fake.push({**fake.frames[0], "data": None, "response_status": 201})
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[1]["action"] == "unsubscribe_instance"


HOLD_TIMEOUTS = """() => {  // the timeouts of requests pass when `expire()` is called
    const { setTimeout: set, clearTimeout: clear } = window;
    window.held = new Map();
    window.setTimeout = (fn, delay) => {
        const id = set(delay === 12_345 ? () => {} : fn, delay);
        if (delay === 12_345) held.set(id, fn);
        return id;
    };
    window.clearTimeout = (id) => (held.delete(id), clear(id));
    window.expire = () => held.forEach((fn) => fn());
}"""


async def test_a_watch_that_ends_before_its_reply_unsubscribes_and_keeps_the_connection(
    fake, connect
):
    page = await connect(dialect="action", timeout=12_345)
    await page.evaluate(HOLD_TIMEOUTS)
    await page.evaluate(WATCH)
    await page.evaluate("stop('unsubscribe_instance')")
    await eventually(lambda: fake.frames)
    await fake.push({**fake.frames[0], "data": None, "response_status": 201})
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[1] == {"action": "unsubscribe_instance", "request_id": 1, "pk": 1}
    await fake.push({**fake.frames[1], "data": None, "response_status": 204})
    await page.wait_for_function("eventsOf('message').length === 2")
    await page.evaluate("expire()")
    assert (await page.evaluate("eventsOf('error')"), len(fake.connections)) == ([], 1)


async def test_the_timeout_of_an_answered_request_does_not_end_the_next_one_of_its_watch(
    fake, connect
):
    page = await connect(dialect="action", timeout=12_345)
    await page.evaluate(HOLD_TIMEOUTS)
    await page.evaluate(WATCH)
    await eventually(lambda: fake.frames)
    await fake.push({**fake.frames[0], "data": None, "response_status": 201})
    await page.wait_for_function("eventsOf('message').length === 1")
    await page.evaluate("window.earlier = [...held.values()]")
    await fake.close(1012)
    await eventually(lambda: len(fake.frames) == 2)
    await page.evaluate("earlier.forEach((fn) => fn())")
    await fake.push({**fake.frames[1], "data": None, "response_status": 201})
    await page.wait_for_function("socket.state === 'ready'")


async def test_an_answered_request_keeps_no_timer_and_no_listener(fake, connect):
    page = await connect(dialect="method", timeout=12_345)
    await page.evaluate(HOLD_TIMEOUTS)
    fake.reply = lambda frame: {**frame, "status": 200}
    left = await page.evaluate("""async () => {
        const { signal } = new AbortController();
        let listeners = 0;
        signal.addEventListener = () => (listeners += 1);
        signal.removeEventListener = () => (listeners -= 1);
        await socket.request("save", {}, { signal });
        return [held.size, listeners];
    }""")
    assert left == [0, 0]


async def test_sends_are_queued_in_order_up_to_a_limit_while_disconnected(fake, connect):
    page = await connect(queue=2, idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("() => { [1, 2].forEach((n) => socket.send({ n })); }")
    third = await page.evaluate("settled(socket.send({ n: 3 }))")
    assert third["message"] == "Too many messages are waiting for the connection."
    await page.evaluate("dispatchEvent(new Event('online'))")
    await eventually(lambda: fake.frames == [{"n": 1}, {"n": 2}])


async def test_the_client_does_not_reconnect_after_final_close_codes(fake, connect):
    page = await connect()
    for code in (1000, 1008, 1009, 4000, 4401, 4403, 4404, 4429, 4600):
        await fake.close(code)
        await page.wait_for_function("socket.state === 'closed'")
        assert await page.evaluate("[lastClose.code, lastClose.reconnect]") == [code, False]
        assert await page.evaluate("eventsOf('reconnecting')") == []
        await page.evaluate("socket.connect()")
        await page.wait_for_function("socket.state === 'ready'")


async def test_the_client_reconnects_after_temporary_close_codes(fake, connect):
    page = await connect(cap=20)
    for count, code in enumerate((1001, 1011, 1012, 1013, 3000, 4500, 4503, 4599), start=2):
        await fake.close(code)
        await page.wait_for_function(
            f"eventsOf('state').filter((state) => state === 'ready').length === {count}"
        )
        assert await page.evaluate("[lastClose.code, lastClose.reconnect]") == [code, True]
        assert len(fake.connections) == count


REFUSED = {"detail": "Too many connections.", "retry_after": 30}


@pytest.mark.parametrize("code", [4429, 4529])
@pytest.mark.parametrize(
    ("dialect", "frame"),
    [
        ("none", {**REFUSED, "status": 429}),
        ("method", {"method": None, "data": REFUSED, "status": 429}),
        ("action", {"action": None, "data": None, "errors": [REFUSED], "response_status": 429}),
        ("type", {"type": "ERROR", "errors": [REFUSED], "details": "Invalid message."}),
    ],
)
async def test_a_refused_client_reconnects_only_after_the_time_that_the_server_asks_for(
    fake, connect, code, dialect, frame
):
    page = await connect(dialect=dialect)
    await fake.push(frame)
    await fake.close(code)
    await page.wait_for_function("socket.state === 'waiting'")
    (waiting,) = await page.evaluate("eventsOf('reconnecting')")
    assert 30_000 <= waiting["delay"] <= 30_020
    closed = await page.evaluate("lastClose")
    assert (closed["reason"], closed["reconnect"]) == ("Too many connections.", True)
    await page.evaluate("dispatchEvent(new Event('online'))")
    assert await page.evaluate("socket.state") == "waiting"


async def test_a_throttled_client_waits_even_if_the_server_does_not_say_how_long(fake, connect):
    page = await connect(cap=10_000)
    await fake.close(4529)
    await page.wait_for_function("socket.state === 'waiting'")
    (waiting,) = await page.evaluate("eventsOf('reconnecting')")
    assert waiting["delay"] >= 10_000


async def test_the_close_event_has_the_status_and_reason_of_the_last_error_frame(fake, connect):
    page = await connect(dialect="method")
    await fake.push({"detail": "This composition is private.", "status": 403})
    await fake.close(4403)
    await page.wait_for_function("socket.state === 'closed'")
    closed = await page.evaluate("lastClose")
    assert (closed["status"], closed["reason"]) == (403, "This composition is private.")


async def test_the_close_event_does_not_use_an_earlier_error_frame_for_a_later_loss(fake, connect):
    page = await connect(dialect="method")
    await fake.push({"detail": "No such method.", "status": 405})
    await fake.close(1012)
    await page.wait_for_function("window.lastClose")
    assert await page.evaluate("lastClose.reason") == "The server is restarting."


async def test_the_client_reconnects_when_the_server_stops_answering_pings(fake, connect):
    page = await connect(heartbeat=50, patience=1000)
    fake.is_silent = True
    await page.wait_for_function("window.lastClose?.reason === 'The server stopped answering.'")
    await eventually(lambda: len(fake.connections) >= 2)


async def test_the_client_stays_connected_to_a_server_that_answers_pings(fake, connect):
    page = await connect(heartbeat=150, patience=1000)
    await eventually(lambda: fake.pings >= 10)  # after 1.5 s, longer than its patience
    assert len(fake.connections) == 1
    assert await page.evaluate("[socket.state, eventsOf('message').length]") == ["ready", 0]


async def test_subscriptions_run_after_every_connect_and_before_queued_requests(fake, connect):
    fake.reply = lambda frame: {**frame, "data": None, "status": 200}
    page = await connect(dialect="method")
    await page.evaluate("() => { socket.subscribe((now) => now.request('sign_in')); }")
    await eventually(lambda: len(fake.frames) == 1)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting' || eventsOf('close').length")
    await page.evaluate("socket.request('save')")
    assert [frame["method"] for frame in fake.frames] == ["sign_in", "sign_in", "save"]


@pytest.mark.parametrize("event", ["open", "state"])
async def test_a_subscription_that_a_listener_adds_while_the_connection_opens_runs_once(
    fake, connect, event
):
    page = await connect(dialect="method")
    await page.evaluate(
        """(event) => {
            const signIn = (now) => now.send("sign_in");
            socket.on(event, () => socket.state === "open" && socket.subscribe(signIn));
        }""",
        event,
    )
    for count in (1, 2):
        await fake.close(1012)
        await page.wait_for_function("n => eventsOf('close').length === n", arg=count)
        await page.wait_for_function("socket.state === 'ready'")
        await page.evaluate("socket.send('last')")
        await eventually(lambda count=count: len(fake.frames) == 2 * count)
    assert [frame["method"] for frame in fake.frames] == ["sign_in", "last"] * 2


async def test_a_subscription_that_another_one_ends_does_not_run(fake, connect):
    page = await connect(dialect="method")
    await page.evaluate("""() => {
        socket.close();
        socket.subscribe(() => stop());
        window.stop = socket.subscribe((now) => now.send("second"));
        socket.connect();
    }""")
    await page.wait_for_function("socket.state === 'ready'")
    await page.evaluate("socket.send('last')")
    await eventually(lambda: fake.frames)
    assert [frame["method"] for frame in fake.frames] == ["last"]


async def test_a_listener_that_closes_while_the_connection_opens_lets_nothing_else_run(
    fake, connect
):
    page = await connect()
    await page.evaluate("""() => {
        window.calls = [];
        socket.subscribe(() => calls.push("subscription"));
        calls.length = 0;
        socket.on("state", (state) => state === "open" && socket.close());
        for (const event of ["open", "ready"]) socket.on(event, () => calls.push(event));
    }""")
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'closed'")
    assert await page.evaluate("calls") == []


async def test_a_listener_that_closes_after_a_loss_causes_one_close_event(fake, connect):
    page = await connect()
    await page.evaluate("""() => {
        socket.on("state", (state) => state === "waiting" && socket.close());
    }""")
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'closed'")
    closes = await page.evaluate("eventsOf('close')")
    assert [(close["code"], close["reconnect"]) for close in closes] == [(1000, False)]


async def test_a_subscription_with_a_client_error_closes_the_connection(fake, connect):
    fake.reply = lambda frame: {
        "detail": "Wrong password.",
        "status": 401,
        "request_id": frame["request_id"],
    }
    page = await connect(dialect="method")
    await page.evaluate("() => { socket.subscribe((now) => now.request('sign_in')); }")
    await page.wait_for_function("socket.state === 'closed'")
    assert await page.evaluate("[lastClose.status, lastClose.reason]") == [401, "Wrong password."]


async def test_close_rejects_waiting_requests_and_later_sends(fake, connect):
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
    assert await page.evaluate("[socket.state, eventsOf('close').length]") == ["closed", 1]


async def test_a_waiting_client_can_be_closed_and_connected_again(fake, connect):
    page = await connect(idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("socket.close()")
    assert await page.evaluate("socket.state") == "closed"
    await page.evaluate("socket.connect()")
    await page.wait_for_function("socket.state === 'ready'")


async def test_the_client_reconnects_at_once_when_the_network_is_back(fake, connect):
    page = await connect(idle=True, base=60_000)
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'waiting'")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.wait_for_function("socket.state === 'ready'")


async def test_the_delay_before_reconnecting_doubles_up_to_the_cap(fake, connect):
    page = await connect(base=100, cap=400, stable=0)
    await page.evaluate("""() => {
        Math.random = () => 1;
        window.WebSocket = class {
            readyState = 3;
            constructor() { setTimeout(() => this.onclose({ code: 1006 })); }
        };
    }""")
    await fake.close(1012)
    await page.wait_for_function("eventsOf('reconnecting').length >= 5")
    delays = await page.evaluate("eventsOf('reconnecting').slice(0, 5).map(({ delay }) => delay)")
    assert delays == [100, 200, 400, 400, 400]


# Pages that are wired wrongly


ACTION_ERROR = {"errors": ["No action."], "data": None, "action": None, "response_status": 400}
METHOD_ERROR = {"method": None, "data": {"method": ["Name it."]}, "status": 400}


@pytest.mark.parametrize(("key", "error"), [("action", ACTION_ERROR), ("method", METHOD_ERROR)])
async def test_a_client_without_a_dialect_finds_out_that_of_the_server(fake, connect, key, error):
    def reply(frame):
        if key not in frame:
            return {**error, "request_id": frame["request_id"]}
        status = "response_status" if key == "action" else "status"
        return {
            **error,
            key: frame[key],
            "data": "done",
            status: 200,
            "errors": [],
            "request_id": 1,
        }

    fake.reply = reply
    page = await connect()
    assert await page.evaluate("socket.request('save', { x: 1 })") == "done"
    assert fake.frames[-1][key] == "save"
    assert await page.evaluate("eventsOf('error')") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dialect": "method"}, ACTION_ERROR),
        ({"dialect": "action"}, METHOD_ERROR),
        ({}, {"type": "ERROR", "errors": ["x"], "details": "x", "TIMESTAMP": "1", "status": 400}),
    ],
)
async def test_a_wrong_dialect_gives_an_error_that_names_the_option(fake, connect, options, error):
    fake.reply = lambda frame: {**error, "request_id": frame["request_id"]}
    page = await connect(**options)
    error = await page.evaluate("settled(socket.request('save', {}))")
    assert "{ dialect: " in error["message"]
    assert len(fake.frames) == 1


async def test_sending_a_name_without_a_dialect_is_an_error_that_names_the_option(connect):
    page = await connect()
    error = await page.evaluate("settled((async () => socket.send('move', { x: 1 }))())")
    assert "dialect" in error["message"]


async def test_a_watch_of_an_unknown_action_raises_an_error_event(fake, connect):
    fake.reply = lambda frame: {**ACTION_ERROR, "request_id": frame["request_id"]}
    page = await connect(dialect="action")
    await page.evaluate("() => { socket.watch('subscribe_everything', {}, () => {}); }")
    await page.wait_for_function("eventsOf('error').length === 1")


@pytest.mark.parametrize("name", ["create", "update", "patch", "delete"])
async def test_a_write_is_not_repeated_after_a_lost_connection(fake, connect, name):
    page = await connect(dialect="action")
    await page.evaluate(
        "name => { window.done = settled(socket.request(name, {}, { retry: true })); }", name
    )
    await eventually(lambda: fake.frames)
    await fake.close(1012)
    assert (await page.evaluate("done"))["name"] == "SocketError"
    await page.wait_for_function("socket.state === 'ready'")
    assert len(fake.frames) == 1


async def test_a_write_is_repeated_where_the_page_asks_for_it(fake, connect):
    page = await connect(dialect="action")
    await page.evaluate("() => { socket.request('update', {}, { retry: 'always' }); }")
    await eventually(lambda: fake.frames)
    await fake.close(1012)
    await eventually(lambda: len(fake.frames) == 2)


async def test_a_client_stops_after_refusals_that_repeat_and_says_what_to_look_at(fake, connect):
    page = await connect(refusals=3)
    fake.refuses = True
    await fake.close(1012)
    await page.wait_for_function("socket.state === 'closed'")
    close = await page.evaluate("lastClose")
    assert (close["reconnect"], "permission_classes" in close["reason"]) == (False, True)
    assert fake.handshakes in (4, 5)  # the last one may have begun before the server answered


async def test_a_client_goes_on_while_the_server_is_down(fake, connect):
    page = await connect(refusals=2, cap=20)
    await page.evaluate("() => { window.fetch = () => Promise.reject(new Error('down')); }")
    await page.evaluate("""() => {
        window.WebSocket = class {
            readyState = 3;
            constructor() { setTimeout(() => this.onclose({ code: 1006 })); }
        };
    }""")
    await fake.close(1012)
    await page.wait_for_function("eventsOf('reconnecting').length >= 8")
    assert await page.evaluate("socket.state") != "closed"


async def test_a_token_as_the_only_protocol_gets_another_one_that_servers_can_accept(fake, connect):
    await connect(protocols=["authorization.Bearer.secret"])
    request = fake.connections[-1].request
    offered = request.headers["Sec-WebSocket-Protocol"]
    assert offered == "authorization.Bearer.secret, rest-channels"
    assert fake.connections[-1].subprotocol == "rest-channels"


# Streams of a multiplexer


def answer(frame, **payload):
    """The answer of an action, in the frame of its stream."""
    sent = frame["payload"]
    head = {"action": sent.get("action"), "request_id": sent.get("request_id"), "errors": []}
    return {"stream": frame["stream"], "payload": {**head, "response_status": 200, **payload}}


async def test_a_stream_has_requests_and_messages_of_its_own(fake, connect):
    fake.reply = lambda frame: answer(frame, data=frame["stream"])
    page = await connect(streams={"notes": "action", "users": "action"})
    names = await page.evaluate("""() => {
        window.heard = [];
        socket.stream("notes").on("moved", (data) => heard.push(data));
        return Promise.all(["notes", "users"].map((name) => socket.stream(name).request("list")));
    }""")
    assert names == ["notes", "users"]
    payload = {"action": "list", "request_id": 1}
    assert fake.frames == [{"stream": name, "payload": payload} for name in names]
    moved = {"action": "moved", "data": 5, "errors": [], "response_status": 200}
    await fake.push({"stream": "users", "payload": {**moved, "data": 4}})
    await fake.push({"stream": "notes", "payload": moved})
    await page.wait_for_function("heard.length")
    assert await page.evaluate("heard") == [5]


async def test_subscriptions_of_a_stream_are_sent_again_after_a_reconnect(fake, connect):
    fake.reply = lambda frame: answer(frame, data=1)
    page = await connect(streams={"notes": "action"})
    await page.evaluate("void socket.stream('notes').watch('subscribe', { pk: 1 }, () => {})")
    await eventually(lambda: len(fake.frames) == 1)
    await page.wait_for_function("socket.stream('notes').state === 'ready'")
    await fake.connections[-1].close(1012)
    await eventually(lambda: len(fake.frames) == 2)
    assert fake.frames[0] == fake.frames[1]
    assert len(fake.connections) == 2


async def test_a_stream_that_is_refused_rejects_its_requests_and_no_others(fake, connect):
    def reply(frame):
        if frame["stream"] == "notes":
            return answer(frame, data=1)
        return answer(frame, data=None, errors=["The stream refuses you."], response_status=403)

    fake.reply = reply
    page = await connect(streams={"notes": "action", "staff": "action"})
    error = await page.evaluate("settled(socket.stream('staff').request('list'))")
    assert (error["status"], error["message"]) == (403, "The stream refuses you.")
    assert await page.evaluate("socket.stream('notes').request('list')") == 1


async def test_text_in_a_stream_is_json_and_bytes_are_refused(fake, connect):
    page = await connect()
    await page.evaluate("socket.stream('chat').send('hi')")
    await eventually(lambda: fake.frames)
    assert fake.frames == [{"stream": "chat", "payload": "hi"}]
    send = "() => { try { socket.stream('chat').send(new Blob()) } catch (e) { return e.message } }"
    assert await page.evaluate(send) == "A stream takes no bytes."


async def test_a_stream_ends_with_its_connection_and_opens_it_again(fake, connect):
    page = await connect()
    await page.evaluate("() => { window.chat = socket.stream('chat') }")
    await page.wait_for_function("chat.state === 'ready'")
    await fake.connections[-1].close(4443, "Revoked.")
    await page.wait_for_function("chat.state === 'closed'")
    assert await page.evaluate("socket.state") == "closed"
    await page.evaluate("chat.connect()")
    await page.wait_for_function("socket.state === 'ready' && chat.state === 'ready'")


async def test_a_closed_stream_leaves_the_connection_open(fake, connect):
    page = await connect()
    await page.evaluate("() => { window.chat = socket.stream('chat') }")
    await page.wait_for_function("chat.state === 'ready'")
    await page.evaluate("chat.close()")
    assert await page.evaluate("[chat.state, socket.state]") == ["closed", "ready"]
