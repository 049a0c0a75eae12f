"""`transire policy check`: everything that can be said about a bundle without traffic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from transire.bundle.compile import compile_bundle
from transire.bundle.sweep import demand_sound
from transire.domain.bundle import Bundle
from transire.domain.ids import BundleDigest, PolicyId
from transire.errors import BundleError
from transire.score.quality.admission import absent_models, open_reader

__all__ = ["FILL", "CheckReport", "check_files"]

FILL: Final = "FILL:"
"""In a comment, marks a guess of ours (`transire init --empty`) until its owner has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What the check found.

    Attributes:
        digest: None where the bundle does not compile.
        problems: Located reasons why it would be refused; empty means it may be proposed.
        warnings: Located remarks that refuse nothing.
        policies: How many policies it holds.
        questions: How many questions the sweep asked.
        idle: Policies that decided nothing in the sweep: vacuous, or always shadowed.
    """

    digest: BundleDigest | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    policies: int = 0
    questions: int = 0
    idle: tuple[PolicyId, ...] = ()

    @property
    def is_sound(self) -> bool:
        """True where the bundle may be proposed."""
        return not self.problems

    def lines(self) -> list[str]:
        """The report for people: problems, or that there are none, last, where they are seen."""
        return [*self.remarks(), *self.conclusion()]

    def remarks(self) -> list[str]:
        """What refuses nothing, one line each."""
        told = [f"note: `{policy}` decided nothing in the sweep" for policy in self.idle]
        return [*told, *(f"warning: {warning}" for warning in self.warnings)]

    def conclusion(self) -> list[str]:
        """Every problem; or one line, good only if the bundle's own tests pass as well."""
        if self.problems:
            return [f"error: {problem}" for problem in self.problems]
        return [
            f"ok: {self.policies} policies, {self.questions} questions without an error, "
            f"digest {self.digest}"
        ]


def check_files(files: Mapping[str, bytes], *, now: datetime, solo: bool = False) -> CheckReport:
    """Compile, lint and sweep; never raises for what is wrong with the bundle."""
    try:
        compiled = compile_bundle(files)
    except BundleError as refused:
        return CheckReport(digest=None, problems=tuple(refused.problems))
    absent = absent_models(compiled.bundle)
    try:
        if not absent:
            open_reader(compiled.bundle)
    except BundleError as refused:
        return CheckReport(digest=compiled.digest, problems=tuple(refused.problems))
    known = CheckReport(
        digest=compiled.digest,
        warnings=(*compiled.warnings, *_over(compiled.bundle, now), *_unfilled(files), *absent),
        policies=len(compiled.bundle.annotations),
    )
    try:
        found = demand_sound(compiled, now=now, solo=solo)
    except BundleError as refused:
        return CheckReport(
            digest=known.digest,
            problems=tuple(refused.problems),
            warnings=known.warnings,
            policies=known.policies,
        )
    return CheckReport(
        digest=known.digest,
        warnings=known.warnings,
        policies=known.policies,
        questions=found.questions,
        idle=found.never_determining,
    )


def _over(bundle: Bundle, now: datetime) -> Iterator[str]:
    """Each acceptance that has ended: it takes nothing out of the uncovered classes any more."""
    for gap in bundle.catalog.acceptances:
        if gap.expires <= now:
            names = ", ".join(sorted(gap.data_classes))
            yield (
                f"catalog: the acceptance `{gap.id}` ended on {gap.expires:%Y-%m-%d}, so {names} "
                "count as uncovered again; let two people renew it, or take it out"
            )


def _unfilled(files: Mapping[str, bytes]) -> Iterator[str]:
    """Each line whose owner has not yet taken the mark away."""
    for name, data in sorted(files.items()):
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            _, mark, wanted = line.partition(FILL)
            if mark:
                yield f"{name}:{number}: fill in and take the mark away: {wanted.strip()}"
