"""Deterministic routing cues: words, length, tools, language. Pure; they never permit anything."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from transire.classify.learned import Hints
from transire.classify.traits import word_bytes
from transire.domain.bundle import Cue, RoutingRules
from transire.domain.classification import Signals
from transire.domain.ids import Stakes
from transire.domain.learned import NOTHING_LEARNED, Learned
from transire.domain.request import Body, RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.errors import RequestError

__all__ = ["CueReader"]


_Word: TypeAlias = tuple[str, re.Pattern[str]]
"""A word or phrase in lower case, and the same with word borders."""


class CueReader:
    """The cues of one bundle, compiled.

    Args:
        learned: The bundle's fitted models; asked last, behind a fence.

    Attributes:
        hints: The fence; None without models.
    """

    def __init__(
        self, rules: RoutingRules, taxonomy: Taxonomy, learned: Learned | None = None
    ) -> None:
        self.hints = None if learned is None else Hints(learned, rules.tasks)
        self._rules = rules
        self._taxonomy = taxonomy
        self._cues = [(cue, [_word(word) for word in cue.words]) for cue in rules.cues]
        self._always: frozenset[int] = frozenset(
            at
            for at, cue in enumerate(rules.cues)
            if not cue.words or not all(map(_letters, cue.words))
        )
        self._by_word: dict[bytes, frozenset[int]] = {}
        for at, cue in enumerate(rules.cues):
            for letters in set(map(_letters, cue.words)):
                known = self._by_word.get(letters, frozenset())
                self._by_word[letters] = known | {at}

    def read(
        self, request: RoutingRequest, text: str, judge: Callable[[str], str | None]
    ) -> Signals:
        """What the last user message, the body and the caller's tag say about the task.

        The first cue that fires and names a task sets it; the caller's tag counts only where none
        did, and a fitted classifier only where there is no tag either.

        Args:
            text: `last_user_text` of the body.
            judge: Names the language of a text. Called at most once, and only where a cue that
                would fire otherwise asks: it costs more than all other cues together.

        Raises:
            RequestError: the asserted task does not exist.
        """
        tag = request.assertions.task
        if tag is not None and tag not in self._rules.tasks:
            known = ", ".join(f"`{task}`" for task in self._rules.tasks)
            raise RequestError(f"`transire.task` must be one of {known}", param="transire.task")
        lower, judged = text.lower(), list[str | None]()
        fired = []
        for cue, words in self._due(lower):
            if not _fires(cue, words, lower, request.body):
                continue
            if cue.languages:
                judged = judged or [judge(text)]
                if judged[0] not in cue.languages:
                    continue
            fired.append(cue)
        task = next((cue.task for cue in fired if cue.task), None)
        by = "cue" if task else "tag" if tag else "default"
        task, hint = task or tag, NOTHING_LEARNED
        if self.hints is not None:
            hint = self.hints.read(text, task, request.assertions.domain)
            if hint.task is not None:
                task, by = hint.task, "learned"
        task = task or "default"
        return Signals(
            language=judged[0] if judged else None,
            task=task,
            cues=tuple(cue.name for cue in fired),
            quality_floor_permille=self._floor(fired, task, by),
            stakes=self._stakes(cue.stakes for cue in fired),
            needs=frozenset[str]().union(
                self._rules.task_needs.get(task, ()), *(cue.needs for cue in fired)
            ),
            task_by=by,
            gains=hint.gains,
        )

    def _due(self, lower: str) -> Iterable[tuple[Cue, Sequence[_Word]]]:
        """The cues that can fire, in order: each word's letters must stand there as a word does."""
        pieces = frozenset(word_bytes(lower.encode("ascii", "replace")))
        places = self._always.union(*map(self._by_word.__getitem__, self._by_word.keys() & pieces))
        return [self._cues[at] for at in sorted(places)]

    def _floor(self, fired: Sequence[Cue], task: str, by: str) -> int:
        """The highest floor; what was only learned never gets below that of an unknown task."""
        floors = [cue.quality_floor_permille for cue in fired]
        of_task = self._rules.task_quality_floor_permille
        floors.append(of_task.get(task, 0))
        if by == "learned":
            floors.append(of_task.get("default", 0))
        return max(floors)

    def _stakes(self, levels: Iterable[Stakes | None]) -> Stakes | None:
        raised = [level for level in levels if level is not None]
        return self._taxonomy.max_stakes(*raised) if raised else None


def _word(word: str) -> _Word:
    lower = word.lower()
    return (lower, re.compile(rf"(?<!\w){re.escape(lower)}(?!\w)"))


def _letters(word: str) -> bytes:
    """The longest run of ASCII letters of a word; empty where it has none."""
    return max(word_bytes(word.lower().encode("ascii", "replace")), key=len, default=b"")


def _fires(cue: Cue, words: Sequence[_Word], lower: str, body: Body) -> bool:
    """Whether everything but the language is as the cue asks."""
    if body.tokens_estimate < cue.min_tokens:
        return False
    if cue.has_tools is not None and cue.has_tools != ("tools" in body.needs):
        return False
    # A plain search first: it is some twenty times faster than the pattern, and most words fail it.
    if not words:
        return True
    for word, bordered in words:  # noqa: SIM110 - a generator costs twice as much, on every request
        if word in lower and bordered.search(lower):
            return True
    return False
