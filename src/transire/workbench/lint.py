"""`transire detect lint`: what can be said of a bundle's own recognizers without traffic.

A pack that is refused (no bound, no class, a missed example) has its reasons from the compiler;
this looks at packs that compile: slow on hostile text, shadowed by another recognizer, or
mapped to a class that no policy reads.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from transire.bundle.compiled import CompiledBundle
from transire.bundle.recognizers.matchers import Matcher, matchers
from transire.classify.gate import Panel
from transire.classify.operators import operator_recognizers
from transire.classify.recognizers import select
from transire.classify.scan import run
from transire.domain.ids import DataClass

__all__ = ["SLOW_MS", "Remark", "lint_recognizers"]

SLOW_MS: Final = 100
"""CPU milliseconds for the worst of the hostile texts: two fifths of what all recognizers together
may cost on one of this length (`tests/unit/classify/test_scan.py`)."""
_HOSTILE_CHARS: Final = 20_000
_ONE_S: Final = 5.0
_LIMIT_S: Final = 1.0
"""Measured no further than this."""
_CLASS: Final = re.compile(r'DataClass::"([A-Za-z0-9_]+)"')
_ALL_CLASSES: Final = re.compile(r"\.containsAll\(\s*context\.dataClasses\s*\)")
"""A contract that must cover every class found reads them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One recognizer and what is to be said of it.

    Attributes:
        worst_ms: CPU milliseconds on the worst hostile text of 20,000 characters, or on the
            first that was slow.
        remarks: Sentences that say what to do; empty where it is fine.
    """

    name: str
    entity: str
    data_class: DataClass
    worst_ms: int
    remarks: tuple[str, ...] = ()


def lint_recognizers(
    compiled: CompiledBundle, cpu: Callable[[], float] = time.process_time
) -> tuple[Remark, ...]:
    """Measure and judge every recognizer of the bundle's pack, in the order of its file.

    Args:
        cpu: Seconds of processor time; what "slow" is measured by.
    """
    bundle = compiled.bundle
    made = matchers(bundle.recognizers)
    read = _classes_read(compiled)
    told = []
    for at, matcher in enumerate(made):
        data_class = bundle.taxonomy.entities[matcher.entity].data_class
        worst = _worst_ms(matcher, cpu)
        remarks = [*_slow(worst), *_shadowed(compiled, made, at)]
        if read is not None and not read & bundle.taxonomy.class_closure([data_class]):
            remarks.append(f"no policy reads `{data_class}`, so a finding changes nothing")
        told.append(
            Remark(
                name=matcher.name,
                entity=matcher.entity,
                data_class=data_class,
                worst_ms=worst,
                remarks=tuple(remarks),
            )
        )
    return tuple(told)


def _classes_read(compiled: CompiledBundle) -> frozenset[DataClass] | None:
    """Classes some policy names, and those that lead to one by derivation; None means all."""
    bundle = compiled.bundle
    rules = [data.decode() for name, data in bundle.files.items() if name.endswith(".cedar")]
    plain = [re.sub(r"//[^\n]*", "", text) for text in rules]
    if any(_ALL_CLASSES.search(text) for text in plain):
        return None
    named = {DataClass(name) for text in plain for name in _CLASS.findall(text)}
    derived = {
        part for d in bundle.taxonomy.derivations if d.data_class in named for part in d.when_all
    }
    return frozenset(named | derived)


def _slow(worst_ms: int) -> Iterable[str]:
    if worst_ms > SLOW_MS:
        yield (
            f"slow: {worst_ms} ms on a hostile text of {_HOSTILE_CHARS} characters (at most "
            f"{SLOW_MS}); shorten its quantifiers, or begin it with fixed text"
        )


def _shadowed(compiled: CompiledBundle, made: tuple[Matcher, ...], at: int) -> Iterable[str]:
    """Says so where other recognizers find the same entity in every example already."""
    matcher, pack = made[at], compiled.bundle.recognizers
    least = compiled.bundle.taxonomy.entities[matcher.entity].min_score_pct
    own = operator_recognizers(pack)
    others = [r for r in own[:at] + own[at + 1 :] if r.entity == matcher.entity]
    others += select(frozenset({matcher.entity}))
    for text in matcher.examples:
        spans = [(s, e) for s, e, score in matcher.scores(text, _ONE_S) if score >= least]
        hits = run(text, time.monotonic() + _ONE_S, Panel(others)).hits
        strong = [hit for hit in hits if hit.score_pct >= least]
        if not all(any(h.start <= s and e <= h.end for h in strong) for s, e in spans):
            return
    if others:
        yield f"shadowed: others find all its examples as `{matcher.entity}` already"


def _worst_ms(matcher: Matcher, cpu: Callable[[], float]) -> int:
    """The dearest text, or the first that is slow: one is reason enough."""
    worst = 0
    for text in _hostile(matcher):
        # The core may be slow for a moment; what is dear is dear twice.
        worst = max(worst, min(_cost_ms(matcher, text, cpu) for _ in range(2)))
        if worst > SLOW_MS:
            break
    return worst


def _cost_ms(matcher: Matcher, text: str, cpu: Callable[[], float]) -> int:
    started = cpu()
    try:
        matcher.scores(text, _LIMIT_S)
    except TimeoutError:
        return round(_LIMIT_S * 1_000)
    return round((cpu() - started) * 1_000)


def _hostile(matcher: Matcher) -> Iterable[str]:
    """The recognizer's own examples, their beginnings and their signs, over and over.

    Each stands between two whole examples, so that neither a gate nor a search for a last
    letter keeps it out.
    """
    units = {" ", ".", "a", "1", "a.", "a ", "1-"}
    for example in (text[:200] for text in matcher.examples):
        units |= {example, example[:-1] or example, *example[:40]}
        units |= {example[:size] for size in (2, 4, 8, 16)}
        units |= set(example.split()[:10])
    whole = matcher.examples[0][:200]
    for unit in sorted(units):
        filled = (unit * (_HOSTILE_CHARS // len(unit)))[: _HOSTILE_CHARS - 2 * len(whole)]
        yield f"{whole}\n{filled}{whole}"
