"""Publish messages of groups with a history: first to the store, then to all hubs.

The functions may be called where those of `engine.publish` may be.
"""

import asyncio
import os
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from ..cluster.nodes import new_node
from ..cluster.standalone_publisher import publisher
from ..concurrency.awaitables import DONE, Sent
from ..history.policy import History
from ..history.records import KeptMessage
from ..history.stores import check_store, close_store, current_store, uses_database
from ..protocol.messages import Event, Position
from .history_writer import HistoryWriter
from .hub import Hub
from .publish import find_hub, on_every_hub, run_on, running_loop, send_packets, wait_for_future
from .receiving import hold_messages_to

__all__ = ["aread_history", "publish_all_kept", "publish_kept", "read_history"]


def publish_kept(event: Event, history: History) -> Sent:
    """Append the rendered `event` to the history of its group, and send it to all members.

    In a thread the call waits for both, for at most `BROKER_TIMEOUT`; elsewhere its result does.
    The database engine appends in the transaction of a thread, and sends after the commit.
    """
    check_store()
    hold_messages_to((event.group,))
    if running_loop() is None and uses_database():
        _append_in_transaction(event, history)
        return DONE
    hub = find_hub()
    if hub is None:
        return wait_for_future(publisher.run(_put(event, history, None)))
    if hub.loop is running_loop():
        return _writer_of(hub.loop, hub).put(event, history)
    return run_on(hub, _put(event, history, hub))


def publish_all_kept(messages: Sequence[tuple[Event, History]]) -> None:
    """Publish rendered events with the histories of their groups, in order, as `publish_kept` does.

    They share round trips to the store.
    """
    if not messages:
        return
    check_store()
    if running_loop() is None and uses_database():
        for event, history in messages:
            _append_in_transaction(event, history)
        return
    hub = find_hub()
    work = _put_all(messages, hub)
    if hub is None:
        wait_for_future(publisher.run(work))
    else:
        run_on(hub, work)


async def _put_all(messages: Sequence[tuple[Event, History]], hub: Hub | None) -> None:
    writer = _writer_of(asyncio.get_running_loop(), hub)
    for sent in [writer.put(event, history) for event, history in messages]:
        await sent


def _append_in_transaction(event: Event, history: History) -> None:
    """Append `event` in the transaction of the calling thread, and send it after the commit."""
    from ..history.stores.database import append_and_call  # noqa: PLC0415 - it needs its app

    def send(position: Position) -> None:
        _hand_on(event._replace(position=position))

    append_and_call(event.group, event.text or "", history, send)


def read_history(group: str, limit: int) -> list[KeptMessage]:
    """Return the last `limit` messages of `group`, oldest first, in a thread.

    In the database they are read in the transaction of the thread. Raise `StoreUnavailable`.
    """
    check_store()
    if uses_database():
        from ..history.stores.database_rows import last  # noqa: PLC0415 - it needs its app

        return last(group, limit)
    return publisher.run(_read_last(group, limit)).result()


async def aread_history(group: str, limit: int) -> list[KeptMessage]:
    """Do what `read_history` does, in an event loop."""
    check_store()
    hub = find_hub()
    if hub is not None and hub.loop is running_loop():
        return await current_store().last(group, limit)
    return await asyncio.wrap_future(publisher.run(_read_last(group, limit)))


async def _read_last(group: str, limit: int) -> list[KeptMessage]:
    return await current_store().last(group, limit)


async def _put(event: Event, history: History, hub: Hub | None) -> None:
    await _writer_of(asyncio.get_running_loop(), hub).put(event, history)


def _hand_on(event: Event) -> None:
    """Send `event` to all hubs."""
    send_packets((event.group, event))
    on_every_hub(Hub.receive, event)


def _hand_on_unnumbered(event: Event, put_at: float) -> None:
    on_every_hub(Hub.publish_unnumbered, event, put_at)


def _note_append(group: str, writer: str, is_running: bool) -> None:
    on_every_hub(_note_append_in, group, writer, is_running)


def _note_append_in(hub: Hub, group: str, writer: str, is_running: bool) -> None:
    hub.recovery.note_append(group, writer, is_running)


def _note_doubt(group: str, is_doubtful: bool) -> None:
    on_every_hub(_note_doubt_in, group, is_doubtful)


def _note_doubt_in(hub: Hub, group: str, is_doubtful: bool) -> None:
    hub.recovery.note_doubt(group, is_doubtful)


def _writer_of(loop: asyncio.AbstractEventLoop, hub: Hub | None) -> HistoryWriter:
    """Return the writer of `loop`, the running one: that of `hub`, or of the publishing thread."""
    writer = _writers.get(loop)
    if writer is None:
        name = new_node() if hub is None else hub.node
        notes = _note_append, _note_doubt
        writer = _writers[loop] = HistoryWriter(name, _hand_on, _hand_on_unnumbered, *notes)
        (publisher if hub is None else hub).on_stop += [writer.stop, close_store]
    return writer


_writers: WeakKeyDictionary[asyncio.AbstractEventLoop, HistoryWriter] = WeakKeyDictionary()
os.register_at_fork(after_in_child=_writers.clear)
