"""What policy says of an answer, and what of it the caller gets."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from transire.domain.answer import Completion
from transire.domain.ids import DataClass, PolicyId
from transire.domain.request import JsonValue

__all__ = ["Receive", "Received", "Reception"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Cedar's say on one answer; the stricter of the two evaluations.

    Attributes:
        policies: Determining policies, sorted; empty where it is not permitted means default deny.
        errors: Ids of policies that failed to evaluate; non-empty always means not permitted.
        may_redact: Not permitted as it is, and its values may be replaced.
        alone: With `may_redact`: classes with findings of which each alone would be forbidden.
    """

    is_permitted: bool
    policies: tuple[PolicyId, ...] = ()
    errors: tuple[str, ...] = ()
    may_redact: bool = False
    alone: frozenset[DataClass] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One answer after it was judged.

    Attributes:
        answer: What may go on to the caller; None where it is withheld.
        policies: The policies that withhold it.
        reasons: Their reasons in words, for the caller.
        facts: For the outcome's entry: classes with counts, policies, digest; never content.
    """

    answer: Completion | None = field(repr=False)
    policies: tuple[PolicyId, ...] = ()
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


Receive: TypeAlias = Callable[[Completion], Awaitable[Received]]
"""Judges a whole answer to one request, before placeholders are restored in it."""
