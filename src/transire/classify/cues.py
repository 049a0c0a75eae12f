"""Deterministic routing cues: words, length, tools, language. Pure; they never permit anything."""

import re
from collections.abc import Iterable

from transire.domain.bundle import Cue, RoutingRules
from transire.domain.decision import Signals
from transire.domain.ids import Stakes
from transire.domain.request import Body, RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.errors import RequestError

__all__ = ["CueReader"]


class CueReader:
    """The cues of one bundle, compiled."""

    def __init__(self, rules: RoutingRules, taxonomy: Taxonomy) -> None:
        self._rules = rules
        self._taxonomy = taxonomy
        self._patterns = [(cue, _pattern(cue.words)) for cue in rules.cues]
        self.needs_language = any(cue.languages for cue in rules.cues)

    def read(self, request: RoutingRequest, language: str | None) -> Signals:
        """What the last user message, the body and the caller's tag say about the task.

        Raises:
            RequestError: the asserted task does not exist.
        """
        tag = request.assertions.task
        if tag is not None and tag not in self._rules.tasks:
            known = ", ".join(self._rules.tasks)
            raise RequestError(f"`transire.task` must be one of {known}", param="transire.task")
        text = last_user_text(request.body)
        fired = [
            cue
            for cue, pattern in self._patterns
            if _fires(cue, pattern, text, request.body, language)
        ]
        task = next((cue.task for cue in fired if cue.task), None) or tag or "default"
        floors = [cue.quality_floor_permille for cue in fired]
        floors.append(self._rules.task_quality_floor_permille.get(task, 0))
        return Signals(
            language=language,
            task=task,
            cues=tuple(cue.name for cue in fired),
            quality_floor_permille=max(floors),
            stakes=self._stakes(cue.stakes for cue in fired),
            needs=frozenset[str]().union(*(cue.needs for cue in fired)),
        )

    def _stakes(self, levels: Iterable[Stakes | None]) -> Stakes | None:
        raised = [level for level in levels if level is not None]
        return self._taxonomy.max_stakes(*raised) if raised else None


def last_user_text(body: Body) -> str:
    """The text of the last message with role `user`."""
    last = max((p.pointer[1] for p in body.parts if p.role == "user"), default=None, key=_order)
    texts = [p.text for p in body.parts if p.role == "user" and p.pointer[1] == last]
    return "\n".join(texts)


def _order(index: str | int) -> int:
    return index if isinstance(index, int) else -1


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    spelled = sorted((re.escape(word.lower()) for word in words), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})(?!\w)") if spelled else None


def _fires(
    cue: Cue, pattern: re.Pattern[str] | None, text: str, body: Body, language: str | None
) -> bool:
    if body.tokens_estimate < cue.min_tokens:
        return False
    if cue.has_tools is not None and cue.has_tools != ("tools" in body.needs):
        return False
    if cue.languages and language not in cue.languages:
        return False
    return pattern is None or pattern.search(text.lower()) is not None
