"""client.js in groups with a history: positions, messages that are held or asked for, and gaps.

All tests share one page, whose clock and WebSocket are those of recovery.js. Each has a client of
its own. A test is a script. The page returns what its user sees (`log`), and what the client asked
for on the last connection (`asked`).
"""

import json
from pathlib import Path

import pytest
import pytest_asyncio

from .conftest import CLIENT

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOLDER = Path(__file__).parent
IMPORT = """async ([name, code]) => {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  window[name] = await import(url);
}"""
RUN = """([script, options]) => {
  const served = new recovery.Served(client.SocketClient, options);
  new Function("served", "pass", script)(served, recovery.pass);
  return { log: served.log, asked: served.asked, state: served.client.state };
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def page(browser):
    page = await browser.new_page()
    for name, path in [
        ("client", CLIENT),
        ("recovery", FOLDER / "recovery.js"),
        ("simulation", FOLDER / "recovery_simulation.js"),
    ]:
        await page.evaluate(IMPORT, [name, path.read_text()])
    yield page
    await page.close()


@pytest.fixture
def run(page):
    """`seen = await run(script, **options)`: the script has a client and its server, `served`."""

    async def run(script, **options):
        return await page.evaluate(RUN, [script, options])

    return run


# Order


async def test_a_message_that_comes_too_early_is_held_until_those_before_it_have_come(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 6, 9, 8);
        served.messages("a", 7);
    """)
    assert seen["log"] == [6, 7, 8, 9]
    assert seen["asked"] == [{"a": ["e", 6]}]


async def test_a_message_that_comes_twice_is_handled_once(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 5, 6, 6, 8, 8, 7, 8, 7, 6, 9);
    """)
    assert seen["log"] == [6, 7, 8, 9]


async def test_each_group_has_its_own_position(run):
    seen = await run("""
        served.joined({ a: ["e", 5], b: ["f", 80] });
        served.messages("b", 81, 83);
        served.messages("a", 6);
    """)
    assert seen["log"] == [81, 6]
    assert seen["asked"] == [{"b": ["f", 81]}]


async def test_a_listener_that_closes_the_connection_gets_nothing_of_what_was_held(run):
    seen = await run("""
        served.client.on("message", () => served.client.close());
        served.joined({ a: ["e", 5] });
        served.messages("a", 7, 8, 10, 6);
        pass(60_000);
    """)
    assert (seen["log"], seen["state"]) == ([6], "closed")
    assert seen["asked"] == [{"a": ["e", 5]}]


# Frames


@pytest.mark.parametrize(
    ("dialect", "frame", "data"),
    [
        ("method", {"method": "moved", "data": 1}, 1),
        ("action", {"action": "moved", "data": {"x": 1}, "errors": []}, {"x": 1}),
        ("type", {"type": "moved", "x": 1}, {"type": "moved", "x": 1}),
    ],
)
async def test_listeners_get_frames_of_all_dialects_without_their_position(
    run, dialect, frame, data
):
    script = """
        served.client.on("moved", (...args) => served.log.push(args));
        served.joined({ a: ["e", 0] });
        served.send({ $at: "a.2", ...frame }, { $at: "a.1", ...frame });
    """
    seen = await run(f"const frame = {json.dumps(frame)}; {script}", dialect=dialect)
    assert seen["log"] == [frame, [data, frame]] * 2


@pytest.mark.parametrize("body", ["text", 7, None, [1], True])
async def test_a_body_that_is_no_object_arrives_as_it_was_sent(run, body):
    seen = await run(f"""
        served.joined({{ a: ["e", 0] }});
        served.send({{ $at: "a.2", $data: {json.dumps(body)} }});
        served.send({{ $at: "a.1", $data: {json.dumps(body)} }});
    """)
    assert seen["log"] == [body, body]


async def test_frames_about_positions_are_no_messages(run):
    seen = await run("""
        served.joined({ a: ["e", 0] });
        served.resumed({ a: "ok", unknown: "gap" });
        served.send({ $pong: 1 });
    """)
    assert seen["log"] == []


async def test_frames_without_a_position_are_handled_at_once(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.send({ n: "other" }, { $at: "noon", n: 1 }, { $at: 7 });
    """)
    assert seen["log"] == ["other", 1, {"$at": 7}]


async def test_a_message_of_a_group_that_the_server_has_not_named_is_handled_at_once(run):
    seen = await run("""
        served.messages("a", 7, 3);
        served.joined({ a: ["e", 7] });
        served.messages("a", 8);
    """)
    assert seen["log"] == [7, 3, 8]


async def test_requests_and_watches_go_on_while_messages_are_held(run):
    seen = await run(
        """
        served.client.watch("follow", {}, (data) => served.log.push({ watched: data }));
        served.joined({ a: ["e", 0] });
        served.send({ $at: "a.2", action: "update", request_id: 1, data: "second", errors: [] });
        served.send({ action: "follow", request_id: 1, data: "reply", errors: [] });
        served.send({ $at: "a.1", action: "update", request_id: 1, data: "first", errors: [] });
        """,
        dialect="action",
    )
    watched = [each["watched"] for each in seen["log"] if "watched" in each]
    assert watched == ["reply", "first", "second"]


async def test_a_server_may_still_send_messages_that_are_named_gap_or_recovered(run):
    seen = await run(
        """
        served.send({ method: "gap", data: "own" }, { method: "recovered", data: "own" });
        served.log = served.log.filter((each) => each === "own");
        """,
        dialect="method",
    )
    assert seen["log"] == ["own", "own"]


async def test_a_message_that_has_nothing_for_the_client_only_moves_its_position(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.send({ $at: "a.6", $skip: true }, { $at: "b.6", $skip: true });
        served.messages("a", 8);
    """)
    assert seen["log"] == [7, 8]


async def test_a_group_that_was_left_is_forgotten(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 8);
        served.send({ $left: ["a", "unknown"] });
        served.joined({ a: ["e", 9] });
        served.messages("a", 10);
    """)
    assert seen["log"] == [10]
    assert seen["asked"] == [{"a": ["e", 5]}]


async def test_a_process_that_is_behind_in_an_epoch_that_has_ended_is_not_believed(run):
    """The client has a gap already, and would handle messages of the ended epoch once more."""
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({ a: ["f", 0] });
        served.reconnect({ a: ["e", 4] });
        served.messages("a", 5, 6);
        served.joined({ a: ["f", 1] });
        served.messages("a", 1);
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": None}, 1]
    assert seen["asked"] == [{"a": ["f", 0]}]


async def test_positions_in_more_than_a_thousand_groups_are_not_kept(run):
    seen = await run("""
        served.joined({ first: ["e", 1], second: ["e", 1] });
        const many = Object.fromEntries(Array.from({ length: 999 }, (_, n) => [`g${n}`, ["e", 1]]));
        served.reconnect(many);
        served.reconnect({ second: ["e", 5], first: ["e", 5] });
    """)
    assert seen["asked"] == [{"second": ["e", 1]}]


# After a reconnect


async def test_a_client_that_returns_asks_for_what_it_missed_and_tells_how_much_came(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 6);
        served.reconnect({ a: ["e", 9] });
        served.messages("a", 10, 7, 8, 9, 10);
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == [6, 7, 8, 9, 10, {"messages": 3}]
    assert seen["asked"] == [{"a": ["e", 6]}]


async def test_what_was_sent_again_moves_the_position(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({ a: ["e", 7] });
        served.messages("a", 6, 7);
        served.resumed({ a: "ok" });
        served.reconnect({ a: ["e", 8] });
    """)
    assert seen["log"] == [6, 7, {"messages": 2}]
    assert seen["asked"] == [{"a": ["e", 7]}]


@pytest.mark.parametrize("offset", [5, 4])
async def test_a_client_that_missed_nothing_asks_for_nothing(run, offset):
    seen = await run(f"""
        served.joined({{ a: ["e", 5] }});
        served.reconnect({{ a: ["e", {offset}] }});
        served.messages("a", 5, 6);
    """)
    assert (seen["log"], seen["asked"]) == ([6], [])


async def test_a_position_is_kept_until_the_group_is_joined_again(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({});
        served.reconnect({});
        served.joined({ a: ["e", 6] });
    """)
    assert seen["asked"] == [{"a": ["e", 5]}]


async def test_messages_that_were_held_are_asked_for_on_the_next_connection(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.reconnect({ a: ["e", 7] });
        served.messages("a", 6, 7);
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == [6, 7, {"messages": 2}]


async def test_a_recovery_is_told_when_all_groups_are_complete(run):
    seen = await run("""
        served.joined({ a: ["e", 5], b: ["e", 5], c: ["e", 5] });
        served.reconnect({ a: ["e", 6], b: ["e", 6], c: ["e", 5] });
        served.messages("a", 6);
        served.resumed({ a: "ok" });
        served.log.push("half");
        served.messages("b", 6);
        served.resumed({ b: "ok" });
    """)
    assert seen["log"] == [6, "half", 6, {"messages": 2}]


async def test_a_hole_that_is_filled_within_a_connection_is_not_told(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7, 6);
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == [6, 7]


# Asking


async def test_a_client_asks_once_at_a_time(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        for (let n = 7; n < 107; n += 1) served.messages("a", n);
        pass(5_000);
    """)
    assert seen["asked"] == [{"a": ["e", 5]}]


async def test_after_an_answer_that_brought_nothing_it_waits_before_it_asks_again(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.resumed({ a: "ok" });
        for (let n = 8; n < 107; n += 1) pass(1), served.messages("a", n);
        served.log = [served.asked.length];
        pass(1);
    """)
    assert (seen["log"], seen["asked"]) == ([1], [{"a": ["e", 5]}] * 2)


async def test_after_an_answer_with_more_to_come_it_asks_from_its_new_position(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({ a: ["e", 9] });
        served.messages("a", 6, 7);
        served.resumed({ a: "more" });
        served.messages("a", 8, 9);
        served.resumed({ a: "more" });
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == [6, 7, 8, 9, {"messages": 4}]
    assert seen["asked"] == [{"a": ["e", 5]}, {"a": ["e", 7]}, {"a": ["e", 9]}]


@pytest.mark.parametrize(("draw", "wait"), [(0, 200), (0.5, 600), (1, 1000)])
async def test_a_busy_server_is_asked_again_after_a_random_time(run, draw, wait):
    seen = await run(f"""
        served.joined({{ a: ["e", 5] }});
        served.reconnect({{ a: ["e", 6] }});
        Math.random = () => {draw};
        served.resumed({{ a: "later" }});
        pass({wait - 1});
        served.log.push(served.asked.length);
        pass(1);
    """)
    assert (seen["log"], len(seen["asked"])) == ([1], 2)


async def test_a_server_that_does_not_answer_is_asked_again(run):
    seen = await run(
        """
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        pass(3_000);
        """,
        patience=1000,
    )
    assert seen["asked"] == [{"a": ["e", 5]}] * 4


async def test_a_request_names_at_most_sixteen_groups(run):
    seen = await run("""
        const positions = (offset) => Object.fromEntries(
            Array.from({ length: 40 }, (_, n) => [`k3f9a1${n + 10}`, ["q8-_zzzz", offset]]));
        served.joined(positions(10 ** 9));
        served.reconnect(positions(10 ** 9 + 1));
    """)
    assert [len(asked) for asked in seen["asked"]] == [16, 16, 8]


async def test_a_client_that_is_closed_asks_no_more(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.resumed({ a: "later" });
        served.client.close();
        pass(60_000);
    """)
    assert seen["asked"] == [{"a": ["e", 5]}]


# What is gone


async def test_a_gap_is_told_once_before_the_messages_that_follow(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({ a: ["e", 45] });
        served.messages("a", 46, 47);
        served.resumed({ a: "gap" });
        served.messages("a", 45, 48);
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": 40}, 46, 47, 48]


async def test_what_is_missing_after_a_gap_is_asked_for(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.reconnect({ a: ["e", 45] });
        served.messages("a", 47);
        served.resumed({ a: "gap" });
        served.messages("a", 46, 47);
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": 40}, 46, 47]
    assert seen["asked"] == [{"a": ["e", 5]}, {"a": ["e", 45]}]


async def test_a_gap_behind_the_joined_position_ends_at_the_first_message_that_is_held(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 6, 7, 10, 12);
        served.resumed({ a: "gap" });
        served.messages("a", 11);
    """)
    assert seen["log"] == [6, 7, {"groups": ["a"], "missed": 2}, 10, 11, 12]


async def test_the_groups_of_one_answer_have_one_gap(run):
    seen = await run("""
        served.joined({ a: ["e", 5], b: ["e", 5], c: ["e", 5] });
        served.reconnect({ a: ["e", 6], b: ["e", 8], c: ["e", 6] });
        served.messages("c", 6);
        served.resumed({ a: "gap", b: "gap", c: "ok" });
    """)
    assert seen["log"] == [6, {"groups": ["a", "b"], "missed": 4}]


async def test_a_new_epoch_is_a_gap_of_unknown_size_and_drops_what_was_held(run):
    seen = await run("""
        served.joined({ a: ["e", 5], b: ["e", 5] });
        served.messages("a", 8, 9);
        served.joined({ a: ["new", 7] });
        served.messages("a", 8, 9);
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": None}, 8, 9]
    assert seen["asked"] == [{"a": ["e", 5]}]


async def test_what_was_held_in_an_earlier_epoch_is_never_handled(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.send({ $at: "a.7", n: "old" });
        served.joined({ a: ["new", 5] });
        served.send({ $at: "a.6", n: "first" }, { $at: "a.7", n: "second" });
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": None}, "first", "second"]


async def test_an_answer_about_the_earlier_epoch_is_no_second_gap(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        served.joined({ a: ["new", 0] });
        served.messages("a", 2);
        served.resumed({ a: "gap" });
        served.messages("a", 1, 2);
    """)
    assert seen["log"] == [{"groups": ["a"], "missed": None}, 1, 2]
    assert seen["asked"] == [{"a": ["e", 5]}, {"a": ["new", 0]}]


async def test_only_joining_begins_a_new_epoch(run):
    """A low number is one that came before, and no sign that the numbers began anew."""
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 6, 1, 2, 3, 7);
        served.reconnect({ a: ["e", 8] });
    """)
    assert (seen["log"], seen["asked"]) == ([6, 7], [{"a": ["e", 7]}])


async def test_a_gap_that_came_true_otherwise_is_not_told(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7, 6);
        served.resumed({ a: "gap" });
    """)
    assert seen["log"] == [6, 7]


async def test_messages_that_the_server_never_sends_are_a_gap_after_ten_answers(run):
    seen = await run("""
        served.joined({ a: ["e", 5] });
        served.messages("a", 7);
        for (let n = 0; n < 9; n += 1) served.resumed({ a: "ok" }), pass(100);
        served.log.push("still held");
        served.resumed({ a: "ok" });
    """)
    assert seen["log"] == ["still held", {"groups": ["a"], "missed": 1}, 7]
    assert len(seen["asked"]) == 10


# Bounds


async def test_a_thousand_messages_of_all_groups_are_held(run):
    seen = await run("""
        served.joined({ a: ["e", 0], b: ["e", 0] });
        for (let n = 2; n <= 1000; n += 1) served.messages("a", n);
        served.messages("b", 2);
        served.messages("a", 1);
        served.log = [served.log.length];
        served.messages("b", 1);
    """)
    assert seen["log"] == [1000, 1, 2]


async def test_beyond_that_a_group_holds_nothing_and_asks_for_all(run):
    seen = await run("""
        served.joined({ a: ["e", 0], b: ["e", 0] });
        served.messages("b", 2);
        for (let n = 2; n <= 1001; n += 1) served.messages("a", n);
        served.messages("b", 1);
        served.messages("a", 1);
        served.resumed({ a: "ok", b: "ok" });
    """)
    assert seen["log"] == [1, 2, 1]
    assert seen["asked"][-1] == {"a": ["e", 1]}


async def test_less_than_a_mebibyte_of_all_groups_is_held(run):
    seen = await run("""
        const text = "x".repeat(2 ** 18);
        const early = (tag, ...ns) => ns.map((n) => served.send({ $at: `${tag}.${n}`, n, text }));
        served.joined({ a: ["e", 0], b: ["e", 0] });
        early("a", 2, 3, 4), early("b", 2);
        served.messages("a", 1), served.messages("b", 1);
        served.log.push("room again");
        early("b", 3, 4, 5), served.messages("b", 2);
    """)
    assert seen["log"] == [1, 2, 3, 4, 1, "room again", 2, 3, 4, 5]


async def test_what_is_no_longer_held_makes_room(run):
    seen = await run("""
        served.joined({ a: ["e", 0] });
        for (let n = 1; n < 5000; n += 500) {
            for (let early = n + 1; early < n + 500; early += 1) served.messages("a", early);
            served.messages("a", n);
        }
        served.log = [served.log.length];
    """)
    assert seen["log"] == [5000]


# Anything


async def test_whatever_happens_a_page_sees_each_message_once_in_order_or_one_gap(page):
    """Each seed is a story of lost, late and doubled frames, connections and histories."""
    assert await page.evaluate("simulation.failures(recovery, client.SocketClient, 0, 100)") == []
