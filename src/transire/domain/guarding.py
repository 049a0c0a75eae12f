"""Guards: what reads a request or an answer for more than data, and says so to policy.

A guard's verdict is a fact, never a block: `raised` where it found what it looks for, `failed`
where it could not say (it raised, ran out of time, or met what nobody can read). Policy denies,
asks for review, withholds, or lets it stand in the record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NewType, Protocol

from transire.domain.answer import Completion
from transire.domain.request import RoutingRequest

__all__ = [
    "ALL_GUARDS",
    "ANSWER_GUARDS",
    "INDIRECT_INJECTION",
    "NOTHING_GUARDED",
    "PROMPT_INJECTION",
    "REFUSAL",
    "TEXT_GUARDS",
    "WRONG_LANGUAGE",
    "Guard",
    "Guarded",
    "InputGuard",
    "OutputGuard",
    "Spelled",
]

Guard = NewType("Guard", str)
"""A member of the bundle's closed vocabulary of guards."""

PROMPT_INJECTION: Final = Guard("prompt_injection")
INDIRECT_INJECTION: Final = Guard("indirect_injection")
"""The same phrasing where only a tool or a retrieved text speaks: a message of role `tool`."""

TEXT_GUARDS: Final = (
    PROMPT_INJECTION,
    INDIRECT_INJECTION,
    Guard("jailbreak"),
    Guard("self_harm"),
    Guard("violence"),
)
"""Judged text by text, of requests and of answers."""

REFUSAL: Final = Guard("refusal")
WRONG_LANGUAGE: Final = Guard("wrong_language")

ANSWER_GUARDS: Final = (
    REFUSAL,
    Guard("citation_missing"),
    WRONG_LANGUAGE,
    Guard("wrong_length"),
)
"""Judged of a whole answer, beside what was asked."""

ALL_GUARDS: Final = (*TEXT_GUARDS, *ANSWER_GUARDS)
"""Every guard that something here can raise; a bundle may name no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What guards said of one request or answer; a guard in neither set had nothing to say."""

    raised: frozenset[Guard] = frozenset()
    failed: frozenset[Guard] = frozenset()


NOTHING_GUARDED: Final = Guarded()


class Spelled(Protocol):
    """What a scan knows of a text before anything is looked for in it."""

    @property
    def lower(self) -> str:
        """The text in lower case."""

    @property
    def pieces(self) -> frozenset[bytes]:
        """The runs of ASCII letters in that."""


class InputGuard(Protocol):
    """Looks for one thing in one reading of one text, in time that grows with its length alone.

    It may run in a worker process, and several times on one text: as it stands, and as it reads
    once a disguise is undone.
    """

    @property
    def name(self) -> Guard:
        """The guard that a span raises."""

    @property
    def words(self) -> frozenset[str]:
        """Lower-case words, one of which every span needs; empty: a letter of another script."""

    def spans(
        self, text: str, seconds: float, spelled: Spelled | None = None
    ) -> Iterator[tuple[int, int]]:
        """Half-open character ranges of what raises it, the first few; never their text.

        Args:
            spelled: What is known of the text; makes it quicker, and nothing else.

        Raises:
            TimeoutError: it was not done within `seconds`; the guard has failed.
        """


class OutputGuard(Protocol):
    """Judges a finished answer beside what was asked. CPU only, bounded; never raises.

    The answer is as the deployment gave it, before placeholders are put back.
    """

    def judge(self, request: RoutingRequest, needs: frozenset[str], answer: Completion) -> Guarded:
        """Which guards of an answer are raised or failed.

        Args:
            needs: Capabilities that the request's cues ask for (`Signals.needs`).
        """
