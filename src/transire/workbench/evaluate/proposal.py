"""Measured shares as a change of the catalog's quality, in place: comments and order stay.

A value is changed only where what was measured contradicts it: it lies outside the 95 % interval,
and enough cases were judged. Nothing is activated: what comes out is proposed, and two people act.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import yaml

from transire.bundle.compile import compile_bundle
from transire.domain.ids import DeploymentId
from transire.errors import BundleError, RequestError
from transire.workbench.evaluate.result import Share

__all__ = ["LEAST_CASES", "QualityChange", "changed_files", "changes"]

LEAST_CASES: Final = 20
"""Below it an interval is wider than any difference worth a proposal."""


class QualityChange(NamedTuple):
    """One value of the catalog; `before` is what counted until now, of its own or by `default`."""

    deployment: str
    task: str
    before: int
    after: int


def changes(files: Mapping[str, bytes], measured: Iterable[Share]) -> list[QualityChange]:
    """What the measured shares contradict in a bundle's catalog.

    Raises:
        BundleError: the bundle does not compile.
    """
    bundle = compile_bundle(files, must_hold_limits=False).bundle
    found = []
    for share in measured:
        deployment = bundle.catalog.deployments.get(DeploymentId(share.deployment))
        if (
            deployment is None
            or share.judged < LEAST_CASES
            or share.task not in bundle.routing.tasks
        ):
            continue
        before = deployment.quality_for(share.task)
        if not 1000 * share.low <= before <= 1000 * share.high:
            after = round(1000 * share.passed / share.judged)
            found.append(QualityChange(share.deployment, share.task, before, after))
    return found


def changed_files(files: Mapping[str, bytes], wanted: Iterable[QualityChange]) -> dict[str, bytes]:
    """The bundle's files with these values in them, and nothing else changed.

    Raises:
        RequestError: the catalog is written in a way in which they cannot be put.
        BundleError: the result does not compile.
    """
    made = dict(files)
    for change in wanted:
        name = _file_of(made, change.deployment)
        made[name] = _put(made[name].decode(), change).encode()
    catalog = compile_bundle(made, must_hold_limits=False).bundle.catalog
    for change in wanted:
        now = catalog.deployments[DeploymentId(change.deployment)].quality_permille
        if now.get(change.task) != change.after:
            raise BundleError([f"catalog: `{change.deployment}` did not take the new quality"])
    return made


def _file_of(files: Mapping[str, bytes], deployment: str) -> str:
    for name, data in files.items():
        if name.startswith("catalog/") and _quality_node(data.decode(), deployment) is not None:
            return name
    raise RequestError(f"no file of the catalog declares `{deployment}`")


def _put(text: str, change: QualityChange) -> str:
    node = _quality_node(text, change.deployment)
    if node is None or not node.value:
        raise RequestError(f"`{change.deployment}` has no `quality_permille` to change")
    for key, value in node.value:
        if key.value == change.task:
            return _replaced(text, value.start_mark.index, value.end_mark.index, str(change.after))
    key, last = node.value[-1]
    end = last.end_mark.index
    if node.flow_style:
        return _replaced(text, end, end, f", {change.task}: {change.after}")
    return _replaced(
        text, end, end, f"\n{' ' * key.start_mark.column}{change.task}: {change.after}"
    )


def _replaced(text: str, start: int, end: int, by: str) -> str:
    return text[:start] + by + text[end:]


def _quality_node(text: str, deployment: str) -> yaml.MappingNode | None:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for step in ("deployments", deployment, "quality_permille"):
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == step), None)
    return node if isinstance(node, yaml.MappingNode) else None
