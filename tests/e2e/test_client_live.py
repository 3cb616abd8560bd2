"""client.js: `live` keeps a list that equals a queryset of the server.

All tests share one page, whose clock and WebSocket are those of recovery.js. Each has a client of
its own, and a script that serves it. The page returns what its user was shown.
"""

from pathlib import Path

import pytest
import pytest_asyncio

from .conftest import CLIENT
from .test_client_recovery import IMPORT

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN = """async (script) => {
  const served = new recovery.Served(client.SocketClient, { dialect: "action" });
  const shown = [];
  const live = served.client.live("subscribe_list", { search: "m" }, (rows, diff) => {
    shown.push(rows && rows.map(({ name }) => name).join(" "), diff);
  });
  const frame = { action: "subscribe_list", request_id: 1, response_status: 201 };
  const reply = (data) => served.send({ ...frame, data });
  const diff = (data) => served.send({ action: "diff", request_id: 1, response_status: 200,
    data: { leave: [], enter: [], move: [], change: [], ...data } });
  const row = (id, name) => ({ id, name });
  const list = (...rows) => reply({ rows, tags: rows.map(({ id, name }) => `${id}${name}`) });
  const AsyncFunction = (async () => {}).constructor;
  const result = await new AsyncFunction("served", "live", "frame", "reply", "diff", "row", "list",
    script)(served, live, frame, reply, diff, row, list);
  for (let turn = 0; turn < 10; turn++) await null; // what waits for a reply
  return { shown, result, rows: live.rows.map(({ name }) => name).join(" "),
    sent: served.connection.sent };
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def page(browser):
    page = await browser.new_page()
    for name, path in [("client", CLIENT), ("recovery", Path(__file__).parent / "recovery.js")]:
        await page.evaluate(IMPORT, [name, path.read_text()])
    yield page
    await page.close()


@pytest.fixture
def run(page):
    """`seen = await run(script, **options)`: the script serves the client of one live list."""

    async def run(script):
        return await page.evaluate(RUN, script)

    return run


ABC = """list(row(1, "a"), row(2, "b"), row(3, "c"));"""


async def test_the_first_list_is_shown_whole(run):
    seen = await run(ABC)
    assert seen["shown"] == ["a b c", None]
    assert seen["sent"] == [{"search": "m", "action": "subscribe_list", "request_id": 1}]


@pytest.mark.parametrize(
    ("diff", "rows"),
    [
        ("leave: [1, 3]", "b"),
        ('enter: [[null, row(4, "d"), "t"], [4, row(5, "e"), "t"]]', "d e a b c"),
        ('enter: [[5, row(4, "d"), "t"], [2, row(5, "e"), "t"]]', "a b e d c"),
        ("move: [[null, 3]]", "c a b"),
        ("move: [[3, 1], [1, 2]]", "c a b"),
        ('change: [[row(2, "x"), "t"]]', "a x c"),
        ('move: [[3, 2]], change: [[row(2, "x"), "t"]]', "a c x"),
        ('leave: [1], enter: [[2, row(4, "d"), "t"]], move: [[null, 3]]', "c b d"),
    ],
)
async def test_a_frame_with_what_differs_is_applied_whole(run, diff, rows):
    seen = await run(f"{ABC} diff({{ {diff} }});")
    assert seen["shown"][2] == seen["rows"] == rows
    assert len(seen["shown"]) == 4


async def test_a_frame_without_a_difference_shows_nothing(run):
    seen = await run(f"{ABC} diff({{}});")
    assert seen["shown"] == ["a b c", None]


async def test_rows_that_do_not_change_stay_the_same_objects(run):
    seen = await run(f"""
        {ABC}
        const [first, , third] = live.rows;
        const before = live.rows;
        diff({{ change: [[row(2, "x"), "t"]], move: [[null, 3]] }});
        return [live.rows[0] === third, live.rows[1] === first, live.rows === before];
    """)
    assert seen["result"] == [True, True, False]


async def test_a_client_that_comes_back_sends_what_it_has_and_gets_what_differs(run):
    seen = await run(f"""
        {ABC}
        diff({{ change: [[row(2, "x"), "new"]] }});
        served.reconnect({{}});
        reply({{ leave: [1], enter: [], move: [], change: [] }});
    """)
    assert seen["sent"][0]["have"] == {"1": "1a", "2": "new", "3": "3c"}
    assert seen["rows"] == "x c"


async def test_what_differs_is_put_into_the_order_of_the_keys_that_were_sent(run):
    seen = await run("""
        list(row(10, "a"), row(2, "b"), { pk: "x", name: "c" }, row(1, "d"));
        served.reconnect({});
        const keys = Object.keys(served.connection.sent[0].have);
        reply({ leave: [], enter: [], move: [[null, 10], ["x", 1]], change: [] });
        return keys;
    """)
    assert seen["result"] == ["1", "2", "10", "x"]  # as browsers order them
    assert seen["rows"] == "a b c d"


async def test_an_empty_list_is_had_too(run):
    seen = await run("""list(); served.reconnect({});""")
    assert seen["sent"][0]["have"] == {}


async def test_a_client_without_a_list_asks_for_it_whole(run):
    seen = await run("""served.reconnect({});""")
    assert "have" not in seen["sent"][0]


async def test_a_list_that_the_server_cannot_give_after_a_reconnect_is_asked_for_again(run):
    seen = await run(f"""
        {ABC}
        served.reconnect({{}});
        for (let failed = 0; failed < 3; failed++) {{
          served.send({{ ...frame, errors: ["Server error."], data: null, response_status: 500 }});
          recovery.pass(2_000);
        }}
        reply({{ leave: [1], enter: [], move: [], change: [] }});
    """)
    assert [asked["request_id"] for asked in seen["sent"]] == [1, 1, 1, 1]
    assert seen["sent"][3]["have"] == {"1": "1a", "2": "2b", "3": "3c"}
    assert (seen["rows"], None in seen["shown"][2:3]) == ("b c", False)


@pytest.mark.parametrize(("before", "status"), [("", 500), (ABC, 403)])
async def test_another_error_and_one_of_the_first_request_end_a_list(run, before, status):
    seen = await run(f"""
        {before}
        served.send({{ ...frame, errors: ["No."], data: null, response_status: {status} }});
        recovery.pass(20_000);
    """)
    assert seen["shown"][-2] is None
    assert len(seen["sent"]) == 1


FAILED = """served.send({ ...frame, errors: ["No."], data: null, response_status: 503 });"""


async def test_a_list_that_was_stopped_while_it_was_asked_for_is_not_asked_for_again(run):
    seen = await run(f"""
        {ABC} {FAILED}
        await recovery.passSlowly(1_000);
        live.stop();
        await recovery.passSlowly(50_000); // no reply comes in time
        return recovery.timersRunning();
    """)
    assert len(seen["sent"]) == 2
    assert seen["result"] == 0


async def test_a_list_that_is_asked_for_again_without_a_reply_is_asked_for_once_more(run):
    seen = await run(f"""
        {ABC} {FAILED}
        await recovery.passSlowly(40_000);
    """)
    assert len(seen["sent"]) == 3


@pytest.mark.parametrize("before", ["", "await recovery.passSlowly(1_000);"])
async def test_nothing_is_asked_for_again_once_the_client_is_closed(run, before):
    seen = await run(f"""
        {ABC} {FAILED} {before}
        served.client.close();
        await recovery.passSlowly(60_000);
        return recovery.timersRunning();
    """)
    assert len(seen["sent"]) == (2 if before else 1)
    assert seen["result"] == 0


async def test_a_list_is_asked_for_once_by_the_next_connection(run):
    seen = await run(f"""
        {ABC} {FAILED}
        served.reconnect({{}});
        reply({{ leave: [1], enter: [], move: [], change: [] }});
        await recovery.passSlowly(20_000);
    """)
    assert seen["rows"] == "b c"
    assert len(seen["sent"]) == 1


async def test_a_list_of_a_stream_is_asked_for_again_after_growing_delays(run):
    seen = await run("""
        const stream = served.client.stream("lists");
        await recovery.passSlowly(100);
        stream.live("subscribe_list", {}, () => {});
        await recovery.passSlowly(100);
        const payload = { request_id: 1, response_status: 201, data: { rows: [], tags: [] } };
        served.send({ stream: "lists", payload });
        const failed = { request_id: 1, response_status: 503, errors: ["No."], data: null };
        const asked = () => served.connection.sent.filter(({ stream }) => stream).length;
        for (let time = 0, answered = 0; time < 10_000; time += 100) {
          if (answered < asked()) served.send({ stream: "lists", payload: failed });
          answered = asked();
          await recovery.passSlowly(100);
        }
        return asked();
    """)
    assert 3 <= seen["result"] <= 30


async def test_errors_that_are_no_reply_do_not_keep_a_list_from_being_asked_for(run):
    seen = await run(f"""
        {ABC}
        Math.random = () => 1;
        for (let time = 0; time < 5_000; time += 100) {{ {FAILED} await recovery.passSlowly(100); }}
    """)
    assert len(seen["sent"]) >= 2


async def test_a_list_that_was_stopped_is_not_asked_for_again(run):
    seen = await run(f"""
        {ABC}
        served.send({{ ...frame, errors: ["No."], data: null, response_status: 503 }});
        live.stop();
        recovery.pass(20_000);
    """)
    assert len(seen["sent"]) == 1


async def test_a_key_may_be_text_or_a_list(run):
    seen = await run("""
        list({ pk: "null", id: 1, name: "a" }, { pk: [1, 2], name: "b" });
        diff({ enter: [[null, { pk: "z", name: "c" }, "t"]], move: [["null", [1, 2]]] });
        diff({ leave: ["null"] });
    """)
    assert seen["rows"] == "c b"


async def test_it_ends_with_the_action_that_is_named(run):
    seen = await run(f"""
        {ABC}
        live.stop("unsubscribe_list");
        diff({{ leave: [1] }});
    """)
    assert seen["sent"][1] == {"search": "m", "action": "unsubscribe_list", "request_id": 1}
    assert seen["rows"] == "a b c"


async def test_messages_of_one_type_keep_a_list_without_a_request_id(page):
    seen = await page.evaluate("""async () => {
      const served = new recovery.Served(client.SocketClient, { dialect: "type" });
      const live = served.client.live("NOTES", { letter: "a" }, () => {});
      const type = "NOTES";
      served.send({ type, rows: [{ id: 1, name: "a" }], tags: ["t"], TIMESTAMP: "1" });
      const enter = [[1, { id: 2, name: "b" }, "u"]];
      served.send({ type, leave: [], enter, move: [], change: [] });
      served.reconnect({});
      const [asked] = served.connection.sent;
      live.stop("STOP_NOTES");
      served.send({ type, leave: [1], enter: [], move: [], change: [] });
      await null;
      return { asked, names: live.rows.map(({ name }) => name), last: served.connection.sent[1] };
    }""")
    have = {"1": "t", "2": "u"}
    assert seen["asked"] == {"letter": "a", "have": have, "type": "NOTES"}
    assert (seen["names"], seen["last"]) == (["a", "b"], {"type": "STOP_NOTES"})


async def test_keys_that_are_too_large_for_a_frame_are_not_sent(run):
    """A server refuses frames of 64 KiB, and closes if 1 MiB waits: so much are 32 lists of 32."""
    seen = await run("""
        WebSocket.mostBytes = 64 * 1024;
        const rows = Array.from({ length: 1000 }, (_, at) => row(`${at}`.repeat(20), "a"));
        rows[0].name = "first";
        list(...rows);
        const [, second] = live.rows;
        served.reconnect({});
        WebSocket.mostBytes = 1024;
        rows[0].name = "new";
        const sent = served.connection.sent[0];
        list(...JSON.parse(JSON.stringify(rows)));
        return [sent.have, live.rows[0].name, live.rows[1] === second];
    """)
    assert seen["result"] == [None, "new", True]


async def test_a_handler_that_fails_does_not_stop_the_client(page):
    seen = await page.evaluate("""async () => {
      const served = new recovery.Served(client.SocketClient, { dialect: "action" });
      const { reportError } = globalThis;
      const errors = [];
      globalThis.reportError = (error) => errors.push(error.message);
      const render = () => { throw new Error("in render"); };
      const live = served.client.live("subscribe_list", {}, render);
      const frame = { action: "subscribe_list", request_id: 1, response_status: 201 };
      served.send({ ...frame, data: { rows: [{ id: 1 }], tags: ["t"] } });
      for (let turn = 0; turn < 10; turn++) await null;
      globalThis.reportError = reportError;
      return [errors, served.client.state, live.rows];
    }""")
    assert seen == [["in render"], "ready", [{"id": 1}]]


async def test_what_differs_from_a_list_that_has_not_come_is_not_shown(page):
    """Messages of one type have no request_id, so those of a list before may still come."""
    seen = await page.evaluate("""async () => {
      const served = new recovery.Served(client.SocketClient, { dialect: "type" });
      served.client.live("NOTES", { letter: "a" }, () => {}).stop("STOP_NOTES");
      const shown = [];
      const live = served.client.live("NOTES", { letter: "b" }, (rows) => shown.push(rows.length));
      const enter = [[null, { id: 1 }, "t"]];
      served.send({ type: "NOTES", leave: [], enter, move: [], change: [] });
      served.send({ type: "NOTES", rows: [], tags: [] });
      return shown;
    }""")
    assert seen == [0]


async def test_an_error_ends_it(run):
    seen = await run(f"""
        {ABC}
        served.send({{ action: "list", request_id: 1, response_status: 403, errors: ["no"] }});
        diff({{ leave: [1] }});
    """)
    assert seen["shown"][2] is None
    assert seen["shown"][3]["errors"] == ["no"]
    assert len(seen["shown"]) == 4
