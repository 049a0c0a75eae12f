"""The first activation, on a log that has none, which no earlier bundle can judge.

It fixes the mode, and starts with nothing blocked. A log that continues a lost one may be founded
with what stood there and nothing else (`record.renewal`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from transire.bundle.acts import ACTIVE_KEY, MODE_KEY
from transire.bundle.compiled import CompiledBundle
from transire.bundle.lifecycle import vet
from transire.bundle.quarantine import blocked_in, fresh_quarantine, kept_quarantine
from transire.bundle.source import archive
from transire.domain.ids import PersonId
from transire.domain.log import Change, Condition, Continuation, DecisionLog, Item
from transire.errors import BundleError

__all__ = ["genesis"]

Mode = Literal["solo", "team"]


async def genesis(
    log: DecisionLog,
    files: Mapping[str, bytes],
    *,
    mode: Mode,
    by: PersonId,
    now: datetime,
    continues: Continuation | None = None,
) -> CompiledBundle:
    """The first activation, on a log that has none; it fixes the mode.

    Args:
        continues: The log replaces a lost one: only its bundle and its mode may be founded, and
            what it had blocked stays blocked.

    Raises:
        BundleError: the bundle is not sound, does not know the founder, or is not the lost log's.
        ConflictError: some bundle is active already.
    """
    compiled = await vet(files, now, solo=mode == "solo")
    if by not in compiled.bundle.catalog.people:
        raise BundleError([f"catalog: the founder `{by}` must stand under `people`"])
    if continues is not None and (compiled.digest, mode) != (
        continues.bundle_digest,
        continues.mode,
    ):
        raise BundleError(
            [
                f"policies: this log continues one that ended under bundle "
                f"{continues.bundle_digest} in {continues.mode} mode, and may start with nothing "
                f"else; these files are {compiled.digest}: put the earlier ones back"
            ]
        )
    continued: dict[str, Any] = {}
    if continues is not None:
        continued["continues"] = {"key": continues.key, "note": continues.note}
        continued["quarantine"] = blocked_in(continues.quarantine)
    nothing = (Condition(key=ACTIVE_KEY, equals=None), Condition(key=MODE_KEY, equals=None))
    await log.append(
        Item(
            kind="policy.genesis",
            fields={
                "bundle_digest": compiled.digest,
                "mode": mode,
                "by": by,
                **continued,
            },
            conditions=nothing,
            changes=(
                Change(key=ACTIVE_KEY, value=compiled.digest),
                Change(key=MODE_KEY, value=mode),
                *(kept_quarantine(continues.quarantine) if continues else fresh_quarantine()),
            ),
            blobs={compiled.digest: archive(files)},
        )
    )
    return compiled
