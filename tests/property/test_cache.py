"""The cache against a model of it, in every order of look-ups, answers, departures, waits and clearings."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcp_dockerhub.cache import ENTRY_OVERHEAD, NEGATIVE_TTL, Cache, Cached, Fetched, Key, Kind
from mcp_dockerhub.errors import NotFound, UpstreamInvalid, UpstreamUnavailable

BUDGET = 3 * ENTRY_OVERHEAD + 300
TTL = {Kind.TAGS: 10.0, Kind.SEARCH: 100.0}
KEYS = [Key(kind, "", "anonymous", "hub", n) for kind in TTL for n in range(3)]


@dataclass
class Kept:
    """What the model thinks is in the cache."""

    value: int | None
    expires: float
    cost: int


@dataclass
class Fetch:
    """A fetch under way: how it will end is decided from outside."""

    key: Key
    expired: Kept | None
    end: "asyncio.Future[int | Exception]"
    size: int
    waiters: list["asyncio.Task[Cached[int]]"] = field(default_factory=list)
    disowned: bool = False


class CacheMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.cache = Cache(max_bytes=BUDGET, ttl=TTL, clock=lambda: self.now)
        self.kept: OrderedDict[Key, Kept] = OrderedDict()
        self.flying: dict[Key, Fetch] = {}
        self.disowned: list[Fetch] = []
        self.fetches = 0

    def teardown(self) -> None:
        self.loop.run_until_complete(self.cache.aclose())
        self.settle()
        for fetch in [*self.flying.values(), *self.disowned]:
            assert all(waiter.done() for waiter in fetch.waiters)
            assert all(waiter.exception() for waiter in fetch.waiters)
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()

    def settle(self) -> None:
        """Let everything run that can run."""
        for _ in range(6):
            self.loop.run_until_complete(asyncio.sleep(0))

    def look_up(self, key: Key, size: int) -> "asyncio.Task[Cached[int]]":
        end: asyncio.Future[int | Exception] = self.loop.create_future()

        async def fetch() -> Fetched[int]:
            self.fetches += 1
            expired = self.kept.get(key)
            usable = expired if expired is not None and expired.value is not None else None
            self.flying[key] = Fetch(key, usable, end, size)
            outcome = await end
            if isinstance(outcome, Exception):
                raise outcome
            return Fetched(outcome, size)

        task = self.loop.create_task(self.cache.get(key, fetch))
        self.settle()
        return task

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 400))
    def get(self, key: Key, size: int) -> None:
        before = self.fetches
        kept, fetch = self.kept.get(key), self.flying.get(key)
        if kept is not None:
            self.kept.move_to_end(key)
        task = self.look_up(key, size)
        if kept is not None and self.now < kept.expires:
            assert self.fetches == before
            assert task.done()
            if kept.value is None:
                assert isinstance(task.exception(), NotFound)
            else:
                assert (task.result().value, task.result().source) == (kept.value, "cache")
            return
        assert not task.done()
        assert self.fetches == before + (fetch is None)
        self.flying[key].waiters.append(task)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), value=st.integers(0, 10**6))
    def answer(self, data: st.DataObject, value: int) -> None:
        fetch = self.take(data)
        fetch.end.set_result(value)
        self.settle()
        for waiter in fetch.waiters:
            assert (waiter.result().value, waiter.result().source) == (value, "live")
        self.keep(fetch.key, Kept(value, self.now + TTL[fetch.key.kind], fetch.size + ENTRY_OVERHEAD))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def find_nothing(self, data: st.DataObject) -> None:
        fetch = self.take(data)
        fetch.end.set_result(NotFound("nothing"))
        self.settle()
        assert all(isinstance(waiter.exception(), NotFound) for waiter in fetch.waiters)
        ttl = min(NEGATIVE_TTL, TTL[fetch.key.kind])
        self.keep(fetch.key, Kept(None, self.now + ttl, ENTRY_OVERHEAD))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def be_down(self, data: st.DataObject) -> None:
        fetch = self.take(data)
        fetch.end.set_result(UpstreamUnavailable("down"))
        self.settle()
        for waiter in fetch.waiters:
            if fetch.expired is None:
                assert isinstance(waiter.exception(), UpstreamUnavailable)
            else:
                assert (waiter.result().value, waiter.result().source) == (fetch.expired.value, "stale")

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def be_broken(self, data: st.DataObject) -> None:
        fetch = self.take(data)
        fetch.end.set_result(UpstreamInvalid("html"))
        self.settle()
        assert all(isinstance(waiter.exception(), UpstreamInvalid) for waiter in fetch.waiters)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """One waiter is cancelled; the fetch goes on while another waits."""
        fetch = self.flying[data.draw(st.sampled_from(sorted(self.flying, key=repr)))]
        waiter = fetch.waiters.pop(data.draw(st.integers(0, len(fetch.waiters) - 1)))
        waiter.cancel()
        self.settle()
        assert waiter.cancelled()
        assert fetch.end.cancelled() is (not fetch.waiters)
        if not fetch.waiters:
            del self.flying[fetch.key]

    @rule(seconds=st.sampled_from([1.0, 9.0, 10.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.kept.clear()
        self.disowned += self.flying.values()
        self.flying.clear()

    @precondition(lambda self: self.disowned)
    @rule(value=st.integers(0, 10**6))
    def answer_after_clearing(self, value: int) -> None:
        fetch = self.disowned.pop()
        fetch.end.set_result(value)
        self.settle()
        assert all(waiter.result().value == value for waiter in fetch.waiters)

    @invariant()
    def the_bound_holds_and_the_books_agree(self) -> None:
        stats = self.cache.stats()
        assert stats.total.bytes <= BUDGET
        assert stats.total.bytes == sum(kept.cost for kept in self.kept.values())
        assert stats.total.entries == len(self.kept)
        assert stats.in_flight == len(self.flying)
        assert sum(kind.bytes for kind in stats.kinds.values()) == stats.total.bytes

    def take(self, data: st.DataObject) -> Fetch:
        return self.flying.pop(data.draw(st.sampled_from(sorted(self.flying, key=repr))))

    def keep(self, key: Key, entry: Kept) -> None:
        self.kept.pop(key, None)
        if entry.cost > BUDGET:
            return
        while sum(kept.cost for kept in self.kept.values()) + entry.cost > BUDGET:
            self.kept.popitem(last=False)
        self.kept[key] = entry


CacheMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCache = CacheMachine.TestCase
