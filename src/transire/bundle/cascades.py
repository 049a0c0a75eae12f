"""What a cascade in `routing.yaml` may say: bounds for the verdicts that need them, no others."""

from collections.abc import Collection, Iterator
from typing import Final

from transire.bundle.documents.routing import CascadeDocument, RoutingDocument

__all__ = ["cascade_problems"]

_BOUNDS: Final = {
    "low_confidence": "min_confidence_permille",
    "evaluator": "min_score_permille",
}
"""Verdict → the bound below which an answer has it."""
_LOGPROBS: Final = "logprobs"


def cascade_problems(
    document: RoutingDocument, offered: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, reason) of everything wrong with the cascades of a document's tasks.

    Args:
        offered: Capabilities that some deployment lists.
    """
    for task, asked in document.tasks.items():
        if asked.cascade is None:
            continue
        path = ("tasks", task, "cascade")
        yield from ((path, f"`{task}`: {reason}") for reason in _of(asked.cascade, offered))
        judge = asked.cascade.judge
        if judge is not None and judge not in document.judges:
            yield path, f"`{task}` names the judge `{judge}`, which does not exist"
        if document.max_attempts == 1:
            yield path, f"`{task}`: `max_attempts` of 1 leaves no attempt to escalate to"


def _of(cascade: CascadeDocument, offered: Collection[str]) -> Iterator[str]:
    for verdict, bound in _BOUNDS.items():
        is_given = getattr(cascade, bound) is not None
        if verdict in cascade.on and not is_given:
            yield f"the verdict `{verdict}` needs `{bound}`"
        if verdict not in cascade.on and is_given:
            yield f"`{bound}` does nothing without the verdict `{verdict}`"
    if cascade.judge is not None and "evaluator" not in cascade.on:
        yield "`judge` does nothing without the verdict `evaluator`"
    if len(set(cascade.on)) < len(cascade.on):
        yield "`on` names a verdict twice"
    if "low_confidence" in cascade.on and _LOGPROBS not in offered:
        yield f"no deployment lists the capability `{_LOGPROBS}` that `low_confidence` needs"
