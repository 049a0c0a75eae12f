"""What a writer process was given, or is to be given, and has not answered yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from transire.errors import LogUnavailable
from transire.record.pending import Job

__all__ = ["Sent", "Unanswered"]

_MAX_LINGERING: Final = 10_000
"""Outcomes that may wait, as in `pending`: decisions are refused long before."""
_MAX_WRITERS: Final = 3
"""Writers that an item is given to together with others. One may end by chance, and three may be
killed; what ends a fourth, alone with it, is the item."""


@dataclass(slots=True)
class Sent:
    """An item on its way, with what it takes to know it again and to send it again.

    Attributes:
        entry_id: The id its entry has, if it is written.
        data: The item as a frame.
        writers: How many writers it was given to; all but the last have ended without an answer.
    """

    job: Job
    entry_id: str
    data: bytes
    writers: int = 0

    @property
    def is_suspect(self) -> bool:
        """So many writers have ended over it that the next one gets it alone."""
        return self.writers >= _MAX_WRITERS

    @property
    def is_fatal(self) -> bool:
        """A writer that was given nothing else has ended over it as well."""
        return self.writers > _MAX_WRITERS


class Unanswered:
    """Items by number, in the order in which they came.

    Args:
        size: Decisions that may wait; more are refused.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: dict[int, Sent] = {}
        self._lingering = 0

    def __len__(self) -> int:
        return len(self._sent)

    def __contains__(self, number: int) -> bool:
        return number in self._sent

    def __iter__(self) -> Iterator[Sent]:
        return iter(list(self._sent.values()))  # who walks them ends some

    def make_sure_of_room(self, *, linger: bool) -> None:
        """For one more.

        Raises:
            LogUnavailable: there is none.
        """
        if linger:
            if self._lingering >= _MAX_LINGERING:
                raise LogUnavailable("too many outcomes wait to be written")
        elif len(self._sent) - self._lingering >= self._size:
            raise LogUnavailable("the log's queue is full")

    def add(self, sent: Sent) -> None:
        """Wait for this one's answer."""
        self._sent[sent.job.number] = sent
        self._lingering += sent.job.is_lingering

    def end(self, number: int) -> Job | None:
        """Its answer has come; None where nobody waits for it."""
        sent = self._sent.pop(number, None)
        if sent is None:
            return None
        self._lingering -= sent.job.is_lingering
        return sent.job
