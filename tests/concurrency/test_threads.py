"""The threads of the pool, and how they end."""

from rest_channels.concurrency.threads import ThreadPool, WorkItem


async def test_a_thread_that_is_idle_when_the_pool_ends_is_removed_once() -> None:
    pool = ThreadPool()
    work = WorkItem(lambda: "done", None)
    pool.submit(work)
    assert await work.future == "done"
    (thread,) = pool._all
    pool.shutdown()
    assert pool.remove_if_idle(thread)
    assert len(pool) == 0


async def test_a_thread_with_a_lease_is_not_idle() -> None:
    pool = ThreadPool()
    work = WorkItem(lambda: "done", None)
    pool.submit(work)
    await work.future
    (thread,) = pool._all
    thread.leases += 1
    assert not pool.remove_if_idle(thread)
    thread.leases -= 1
    pool.shutdown()
