"""Guards of whole answers: refusal, citation, language and length asked for. Pure.

A choice that calls a tool or says nothing has no form to judge. Where the request asks for nothing,
nothing is raised: in doubt a guard is silent, because policy may withhold what it raises.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import regex

from transire.domain.answer import Completion
from transire.domain.guarding import Guard, Guarded
from transire.domain.request import Body, RoutingRequest
from transire.guard.asked import Length, language_asked, length_asked
from transire.guard.citation import has_citation
from transire.guard.refusal import is_refusal

__all__ = ["AnswerGuards"]

_READ_CHARS: Final = 200_000
"""A longer answer fails the guards that read it all."""
_LANGUAGE_CHARS: Final = 2_000
_LEAST_WORDS: Final = 8
"""A shorter answer is in no language for sure: a name, a number, a code."""
_BOUND_SLACK: Final = 1.1
_ABOUT_SLACK: Final = 0.3
"""Models count badly and people mean roughly; past these shares an answer is wrong."""
_SENTENCE: Final = regex.compile(r"[.!?。！？]+(?=[\s\"'”’)]|$)")
_WORD: Final = regex.compile(r"\w[\w'’-]*+")
_CODE: Final = regex.compile(r"```.*?(?:```|\Z)", regex.DOTALL)
_TIMEOUT_S: Final = 0.5


class AnswerGuards:
    """Implements `domain.guarding.OutputGuard`.

    Args:
        guards: Those that run; others cost nothing and say nothing.
        language_of: Names the language of a text among those that can be asked for, or None.
    """

    def __init__(
        self, guards: Iterable[Guard], language_of: Callable[[str], str | None] = lambda _: None
    ) -> None:
        known: dict[str, Callable[[RoutingRequest, frozenset[str], Completion], bool]] = {
            "refusal": _refuses,
            "citation_missing": _lacks_citation,
            "wrong_language": self._is_in_another,
            "wrong_length": _has_wrong_length,
        }
        self._language_of = language_of
        self._rules = [(name, known[name]) for name in sorted(guards) if name in known]

    def judge(self, request: RoutingRequest, needs: frozenset[str], answer: Completion) -> Guarded:
        """See `domain.guarding.OutputGuard`."""
        raised, failed = set[Guard](), set[Guard]()
        for name, rule in self._rules:
            try:
                if rule(request, needs, answer):
                    raised.add(name)
            except Exception:  # noqa: BLE001 - a time-out or a bug is a failed guard, never silence
                failed.add(name)
        return Guarded(raised=frozenset(raised), failed=frozenset(failed))

    def _is_in_another(
        self, request: RoutingRequest, needs: frozenset[str], answer: Completion
    ) -> bool:
        del needs
        asked = language_asked(_last_question(request.body))
        if asked is None:
            return False
        for text in _prose(answer):
            plain = _CODE.sub(" ", text, timeout=_TIMEOUT_S)[:_LANGUAGE_CHARS]
            if len(plain.split()) >= _LEAST_WORDS and self._language_of(plain) not in (asked, None):
                return True
        return False


def _refuses(request: RoutingRequest, needs: frozenset[str], answer: Completion) -> bool:
    del request, needs
    return any(is_refusal(choice) for choice in answer.choices)


def _lacks_citation(request: RoutingRequest, needs: frozenset[str], answer: Completion) -> bool:
    del request
    return "grounded" in needs and not all(map(has_citation, _prose(answer)))


def _has_wrong_length(request: RoutingRequest, needs: frozenset[str], answer: Completion) -> bool:
    del needs
    asked = length_asked(_last_question(request.body))
    return asked is not None and any(_misses(asked, text) for text in _prose(answer))


def _misses(asked: Length, text: str) -> bool:
    found = _count(asked.unit, text)
    if asked.is_bound:
        return found > asked.count * _BOUND_SLACK
    slack = max(asked.count * _ABOUT_SLACK, 1)
    return abs(found - asked.count) > slack


def _count(unit: str, text: str) -> int:
    if unit == "characters":
        return len(text)
    if unit == "words":
        return sum(1 for _ in _WORD.finditer(text, timeout=_TIMEOUT_S))
    ends = sum(1 for _ in _SENTENCE.finditer(text, timeout=_TIMEOUT_S))
    return max(ends, 1)


def _prose(answer: Completion) -> Iterator[str]:
    """What choices say in words, where words are all they say."""
    for choice in answer.choices:
        text = (choice.content or "").strip()
        if not text or choice.tool_calls or choice.refusal:
            continue
        if len(text) > _READ_CHARS:
            raise OverflowError
        yield text


def _last_question(body: Body) -> str:
    """The text of the last message with role `user`."""
    index, texts = -1, list[str]()
    for part in body.parts:
        if part.role != "user" or len(part.pointer) < 2 or part.pointer[0] != "messages":
            continue
        at = part.pointer[1]
        if isinstance(at, int) and at > index:
            index, texts = at, []
        texts.append(part.text)
    return "\n".join(texts)
