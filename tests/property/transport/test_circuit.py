"""The circuit's state machine against its description."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcp_dockerhub.transport.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Circuit


class CircuitMachine(RuleBasedStateMachine):
    """Requests overlap: tickets are handed back in any order, long after the circuit moved on.

    Durations are sums of powers of two, which floating point adds without rounding.
    """

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.circuit = Circuit(lambda: self.now)
        self.row = 0
        self.opened_at: float | None = None
        self.probe: int | None = None
        self.current: list[int] = []
        self.stale: list[int] = []

    def expected(self) -> str:
        if self.opened_at is None:
            return "closed"
        return "open" if self.now < self.opened_at + OPEN_SECONDS else "half_open"

    @rule(seconds=st.sampled_from([0.125, 1.0, 14.875, OPEN_SECONDS, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(times=st.integers(1, 2 * FAILURES_TO_OPEN))
    def ask(self, times: int) -> None:
        for _ in range(times):
            self.ask_once()

    def ask_once(self) -> None:
        ticket = self.circuit.admit()
        if self.expected() == "closed":
            assert ticket is not None
            self.current.append(ticket)
        elif self.expected() == "open" or self.probe is not None:
            assert ticket is None
        else:
            assert ticket is not None
            self.probe = ticket

    @precondition(lambda self: self.current)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.circuit.succeeded(self.take(self.current, data))
        self.row = 0

    @precondition(lambda self: self.current)
    @rule(data=st.data(), times=st.integers(1, FAILURES_TO_OPEN))
    def fail(self, data: st.DataObject, times: int) -> None:
        for _ in range(min(times, len(self.current))):
            self.circuit.failed(self.take(self.current, data))
            self.row += 1
            if self.row >= FAILURES_TO_OPEN:
                self.open()
                return

    @precondition(lambda self: self.current)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        self.circuit.abandoned(self.take(self.current, data))

    @precondition(lambda self: self.probe is not None)
    @rule(result=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end_probe(self, result: str) -> None:
        assert self.probe is not None
        getattr(self.circuit, result)(self.probe)
        self.probe = None
        if result == "succeeded":
            self.opened_at, self.row = None, 0
        elif result == "failed":
            self.open()

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), result=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def hear_old_news(self, data: st.DataObject, result: str) -> None:
        getattr(self.circuit, result)(self.take(self.stale, data))

    @invariant()
    def state_is_as_described(self) -> None:
        assert self.circuit.state == self.expected()
        assert 0 <= self.circuit.seconds_left() <= OPEN_SECONDS

    def open(self) -> None:
        self.opened_at = self.now
        self.stale += self.current
        self.current = []

    @staticmethod
    def take(tickets: list[int], data: st.DataObject) -> int:
        return tickets.pop(data.draw(st.integers(0, len(tickets) - 1)))


CircuitMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestCircuit = CircuitMachine.TestCase
