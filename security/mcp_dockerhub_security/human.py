"""The human behind a request, as far as its client lets us reach them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

MAX_NONCE: Final = 100


class Answer(StrEnum):
    """What a human can say (MCP, client/elicitation); an acceptance that confirms nothing is a decline."""

    ACCEPT = "accept"
    DECLINE = "decline"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that came along with a repeated request."""

    nonce: str
    answer: Answer


class InputRequired(Exception):
    """Not a failure: the question is the answer to this request, which the client then repeats with a Reply."""

    def __init__(self, question: str, nonce: str) -> None:
        self.question = question
        self.nonce = nonce
        super().__init__("a human is being asked")


class Human(Protocol):
    """The human behind one request, as far as its client lets us reach them."""

    @property
    def reply(self) -> Reply | None:
        """What they answered to the question that an earlier request was answered with."""

    async def ask(self, question: str, nonce: str, timeout_s: float) -> Answer:
        """Ask and wait, or raise InputRequired.

        Raises Unreachable where the client or the transport cannot ask, TimeoutError when nobody answered.
        """


class Unreachable(Exception):
    """The human cannot be asked."""
