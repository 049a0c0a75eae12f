"""Data classes in an answer that its caller may not receive: replaced, or the answer withheld.

What a model says is classified like what it was asked: content, refusal, reasoning and the
arguments of tool calls, of every choice, and before placeholders are restored, so that a caller's
own redacted values are not counted against him. Log probabilities may only spell that text once
more (`spelling`); the names of called tools are offered ones, or the contract is broken.

Policy judges the classes (`receive`); where it forbids and lets values be replaced
(`receive_redacted`), they are, the rest is classified again and put to policy again: a remedy is
evaluated, never assumed.

INVARIANT (I4): only an answer whose classes, as it stands, policy permits goes on. What is left
unread, or cannot be replaced without breaking its JSON, is judged as it stands.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from transire.domain.answer import AnswerChoice, Completion
from transire.domain.authorization import Pair
from transire.domain.bundle import Bundle
from transire.domain.classification import Classification
from transire.domain.decision import Case
from transire.domain.governed import Governed
from transire.domain.ids import DataClass
from transire.domain.ports import Clock
from transire.domain.receiving import Receive, Received, Reception
from transire.domain.request import Body, JsonValue, Part, PartKind
from transire.validate.spelling import only_judged

__all__ = ["AnswerInspector"]

_INLINE_CHARS: Final = 16_000
"""A longer answer is read by guards off the event loop; about 2 ms."""
_JSON_FORMATS: Final = ("json_object", "json_schema")


class AnswerInspector:
    """Implements `domain.ports.Inspector`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def receive_of(self, case: Case, pair: Pair, governed: Governed) -> Receive | None:
        """See `domain.ports.Inspector`."""
        if not governed.authorizer.judges_answers(case.request.principal.application):
            return None
        inspection = _Inspection(case, pair, governed, self._clock)
        return inspection.received


@dataclass(frozen=True, slots=True)
class _Inspection:
    """Judges the answer of one attempt, under one governed state."""

    case: Case
    pair: Pair
    governed: Governed
    clock: Clock

    async def received(self, answer: Completion) -> Received:
        answer, left_out = only_judged(answer)
        received = await self._received(answer)
        if left_out and received.answer is not None:
            said = {**received.facts["received"], "left_out": list(left_out)}  # type: ignore[dict-item] # `_concluded` made it
            received = replace(received, facts={"received": said})
        return received

    async def _received(self, answer: Completion) -> Received:
        parts = tuple(_parts(answer, is_json=_wants_json(self.case.request.body)))
        seen = await self._guarded(answer, await self._classified(parts))
        judged = self._judged(seen, is_redacted=False)
        if judged.is_permitted:
            return self._concluded(answer, seen, judged)
        if judged.may_redact:
            for classes in _rounds(judged, seen):
                found = await self._redacted(answer, parts, seen, classes)
                if found is not None:
                    return found
        return self._concluded(None, seen, judged)

    async def _redacted(
        self,
        answer: Completion,
        parts: Sequence[Part],
        seen: Classification,
        classes: frozenset[DataClass],
    ) -> Received | None:
        """The answer without values of these classes; None where it may not be received either."""
        tenant = self.case.request.principal.tenant
        texts, count = await self.governed.detector.redact_answer(parts, seen, classes, tenant)
        if not count:
            return None
        changed = [replace(part, text=text) for part, text in zip(parts, texts, strict=True)]
        left = _residual(seen, await self._classified(changed))
        judged = self._judged(left, is_redacted=True)
        if not judged.is_permitted:
            return None
        return self._concluded(_rebuilt(answer, texts), seen, judged, count)

    async def _guarded(self, answer: Completion, seen: Classification) -> Classification:
        """With what guards of whole answers say, beside those that read its texts."""
        guard = self.governed.output_guard
        if guard is None:
            return seen
        needs = self.case.classification.signals.needs
        size = sum(len(choice.content or "") for choice in answer.choices)
        if size <= _INLINE_CHARS:
            said = guard.judge(self.case.request, needs, answer)
        else:
            said = await asyncio.to_thread(guard.judge, self.case.request, needs, answer)
        return replace(
            seen,
            raised_guards=seen.raised_guards | said.raised,
            failed_guards=seen.failed_guards | said.failed,
        )

    async def _classified(self, parts: Sequence[Part]) -> Classification:
        tenant = self.case.request.principal.tenant
        return await self.governed.detector.classify_answer(parts, tenant)

    def _judged(self, seen: Classification, *, is_redacted: bool) -> Reception:
        return self.governed.authorizer.receive(
            self.case.request,
            self.case.authorization.facts[self.pair.form],
            self.pair.deployment,
            seen,
            is_redacted=is_redacted,
            now=self.clock.now(),
        )

    def _concluded(
        self, answer: Completion | None, seen: Classification, judged: Reception, count: int = 0
    ) -> Received:
        """What becomes of the answer, and what the record says of it: names and counts."""
        bundle = self.governed.bundle
        counts = Counter(finding.data_class for finding in seen.findings)
        facts: dict[str, JsonValue] = {
            "effect": "withheld" if answer is None else "redacted" if count else "whole",
            "classes": [{"class": c, "count": counts[c]} for c in sorted(seen.found)],
            "failed_classes": sorted(seen.failed),
            "uncovered_classes": sorted(seen.uncovered),
            **_guards(seen),
            "redactions": count,
            "policies": list(judged.policies),
            "errors": list(judged.errors),
            "bundle": bundle.digest,
        }
        return Received(
            answer=answer,
            policies=judged.policies,
            reasons=_reasons(judged, bundle) if answer is None else (),
            facts={"received": facts},
        )


def _guards(seen: Classification) -> dict[str, JsonValue]:
    """What guards said, where one had something to say."""
    said = {"raised_guards": seen.raised_guards, "failed_guards": seen.failed_guards}
    return {name: sorted(guards) for name, guards in said.items() if guards}


def _rounds(judged: Reception, seen: Classification) -> Iterator[frozenset[DataClass]]:
    """Which values to replace: of what is forbidden alone; if that is not enough, of everything."""
    located = frozenset(finding.data_class for finding in seen.findings)
    if judged.alone and judged.alone != located:
        yield judged.alone
    if located:
        yield located


def _residual(seen: Classification, left: Classification) -> Classification:
    """What is known of the changed answer: nothing that was unknown has become known."""
    located = frozenset(finding.data_class for finding in seen.findings)
    gaps = dict(left.uncovered)
    for name, places in seen.uncovered.items():
        gaps[name] = gaps.get(name, frozenset()) | places
    return replace(
        left,
        found=left.found | (seen.found - located),
        failed=left.failed | seen.failed,
        uncovered=gaps,
        failures=tuple(sorted({*left.failures, *seen.failures})),
        reduced=left.reduced | seen.reduced,
        raised_guards=left.raised_guards | seen.raised_guards,
        failed_guards=left.failed_guards | seen.failed_guards,
    )


def _reasons(judged: Reception, bundle: Bundle) -> tuple[str, ...]:
    """Why it is withheld, in the rules' own words."""
    if judged.errors:
        return ("a rule could not be evaluated; ask the compliance team",)
    notes: Iterable[Mapping[str, str]] = (bundle.annotations[p] for p in judged.policies)
    told = tuple(
        f"{note.get('reason', 'a rule')} ({note['regulation']})"
        if "regulation" in note
        else note.get("reason", "a rule")
        for note in notes
    )
    return told or ("no rule lets this application receive it",)


def _parts(answer: Completion, *, is_json: bool) -> Iterator[Part]:
    """Every text of every choice, in the order in which `_rebuilt` takes them back."""
    for at, choice in enumerate(answer.choices):
        for name, text in (("content", choice.content), ("refusal", choice.refusal)):
            if text is not None:
                yield _part((at, name), text, is_json=is_json and name == "content")
        for number, call in enumerate(choice.tool_calls):
            yield _part((at, "tool_calls", number), call.arguments, is_json=call.kind != "custom")
        for name in sorted(choice.extras):
            extra = choice.extras[name]
            # The adapter lets through no other extras than texts; a value of ours is not content.
            if isinstance(extra, str):
                yield _part((at, "extras", name), extra)


def _part(pointer: tuple[str | int, ...], text: str, *, is_json: bool = False) -> Part:
    looks_json = text.lstrip()[:1] in ("{", "[")
    kind = PartKind.JSON if is_json or looks_json else PartKind.TEXT
    return Part(pointer=pointer, kind=kind, text=text, role="assistant")


def _rebuilt(answer: Completion, texts: Sequence[str]) -> Completion:
    rest = iter(texts)
    return replace(answer, choices=tuple(_changed(choice, rest) for choice in answer.choices))


def _changed(choice: AnswerChoice, texts: Iterator[str]) -> AnswerChoice:
    """The choice with the next texts in place of its own.

    Log probabilities spell a text as it was, so a changed choice goes without them.
    """
    content = None if choice.content is None else next(texts)
    refusal = None if choice.refusal is None else next(texts)
    calls = tuple(replace(call, arguments=next(texts)) for call in choice.tool_calls)
    extras = dict(choice.extras)
    for name in sorted(extras):
        if isinstance(extras[name], str):
            extras[name] = next(texts)
    changed = replace(choice, content=content, refusal=refusal, tool_calls=calls, extras=extras)
    return choice if changed == choice else replace(changed, logprobs=None)


def _wants_json(body: Body) -> bool:
    wanted = body.fields.get("response_format")
    return isinstance(wanted, Mapping) and wanted.get("type") in _JSON_FORMATS
