"""`transire policy test`: run a bundle's own tests through the authorizer that serves.

A cell of a matrix that no expectation lists must be denied. An evaluation error fails the test
whatever was expected.
"""

from dataclasses import dataclass
from typing import Final

from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import actions_of
from transire.bundle.yamlread import parse_model, read_yaml
from transire.domain.ids import PolicyId
from transire.errors import BundleError
from transire.workbench.suite import Failure, PolicyAuthorizer, Suite
from transire.workbench.testfile import SuiteDocument

__all__ = ["Failure", "PolicyAuthorizer", "TestReport", "demand_passing", "run_tests"]

_SHOWN: Final = frozenset({"route", "dispatch", "receive", "shadow", "cache", "moderate", "judge"})
"""Actions whose answers name what determined them."""
_LIMITED: Final = frozenset({"route_unreviewed", "restore", "restore_arguments"})
"""Actions of which a forbid becomes an obligation that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """What the tests showed.

    Attributes:
        cells: How many questions were asked.
        uncovered: Forbids of routing, and grants, that no cell showed determining.
    """

    __test__ = False  # not a test of ours

    files: int
    cells: int
    failures: tuple[Failure, ...]
    uncovered: tuple[PolicyId, ...]

    def lines(self) -> list[str]:
        """The report for people: failures last, where they are seen."""
        told = [f"note: no test shows `{policy}` at work" for policy in self.uncovered]
        passed = self.cells - len(self.failures)
        told.append(f"{passed} of {self.cells} cells in {self.files} files as expected")
        return [*told, *(f"failed: {failure}" for failure in self.failures)]


def run_tests(compiled: CompiledBundle, authorizer: PolicyAuthorizer) -> TestReport:
    """Run every `tests/**/*_test.yaml` of a bundle.

    Raises:
        BundleError: a test file is malformed or names what does not exist; located.
    """
    files = compiled.bundle.files
    problems: list[str] = []
    suites = [
        Suite(at, document, compiled.bundle)
        for at in (read_yaml(n, files[n]) for n in sorted(files) if n.startswith("tests/"))
        if (document := parse_model(SuiteDocument, at, problems)) is not None
    ]
    problems += [problem for suite in suites for problem in suite.check()]
    if problems:
        raise BundleError(problems)
    cells = [cell for suite in suites for cell in suite.run(authorizer)]
    shown = {policy for cell in cells for policy in cell.policies}
    return TestReport(
        files=len(suites),
        cells=len(cells),
        failures=tuple(cell.failure for cell in cells if cell.failure is not None),
        uncovered=tuple(sorted(_showable(compiled) - shown)),
    )


def demand_passing(compiled: CompiledBundle, authorizer: PolicyAuthorizer) -> None:
    """A bundle's own tests say what its authors meant: it is not proposed while one fails.

    Raises:
        BundleError: names every cell that came out otherwise.
    """
    failures = run_tests(compiled, authorizer).failures
    if failures:
        raise BundleError([f"its own test fails: {failure}" for failure in failures])


def _showable(compiled: CompiledBundle) -> set[PolicyId]:
    """Policies a verdict can name: what decides `route`, what asks for review, what keeps values.

    A person's act is answered with yes or no, and a permit of `route_unreviewed` or `restore` with
    the absence of an obligation; neither says which policy it was.
    """
    return {
        PolicyId(name)
        for name, node in compiled.tree.static_policies.items()
        if (actions := actions_of(node)) & _SHOWN
        or (node.effect == "forbid" and actions & _LIMITED)
    }
