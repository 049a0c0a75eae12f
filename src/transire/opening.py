"""From a data folder to a log, its keys and a first bundle: what a start finds, or founds.

An empty folder becomes an installation in this order: the policies compile, the log's and the
installation's keys are made, then genesis is recorded. What a crash leaves behind is either no
installation or one that the next start goes on with.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.source import read_folder
from transire.domain.ids import PersonId
from transire.domain.judge import JUDGMENTS
from transire.domain.log import Item
from transire.domain.ports import Clock
from transire.domain.shadow import SHADOW
from transire.errors import BundleError
from transire.identity.digests import INSTALL_KEY_FILE, InstallationKeys
from transire.identity.people import People
from transire.record.draft import Names
from transire.record.front import LogFront
from transire.record.line import WriterOptions
from transire.record.opening import create_log, has_log, open_log
from transire.record.query import Projection
from transire.record.remote import open_remote_log
from transire.record.renewal import read_predecessor
from transire.settings import Settings
from transire.storage.answers import ANSWERS_FILE, SqliteAnswers

__all__ = ["close_open_permits", "found", "open_answers", "open_keys", "open_writer"]


def open_keys(settings: Settings, entropy: Callable[[int], bytes]) -> InstallationKeys:
    """The installation's keys; in an empty folder they are made, and a log's files with them.

    Raises:
        BundleError: the folder is empty, and the policies to found it with do not compile.
        IntegrityError: only part of the files is there.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not has_log(settings.data) and not (settings.data / INSTALL_KEY_FILE).exists():
        # A bundle that does not compile must not leave half an installation behind.
        compile_bundle(read_folder(settings.governance.policies))
        create_log(settings.data, origin=settings.log.origin, entropy=entropy)
        return InstallationKeys.create(settings.data, entropy(32))
    return InstallationKeys.load(settings.data)


def open_answers(
    settings: Settings, keyed: InstallationKeys, clock: Clock, entropy: Callable[[int], bytes]
) -> SqliteAnswers | None:
    """Where kept answers are; None where the settings keep none."""
    cache = settings.cache
    if cache.where == "off":
        return None
    return SqliteAnswers(
        settings.data / ANSWERS_FILE if cache.where == "file" else None,
        derive=keyed.derive,
        entropy=entropy,
        now=clock.now,
        max_bytes=cache.max_bytes,
    )


async def open_writer(
    settings: Settings, clock: Clock, entropy: Callable[[int], bytes]
) -> LogFront:
    """The log, written in a process or a thread as the settings say.

    Raises:
        IntegrityError: the log is not the one this folder last held; says what to do.
        LogUnavailable: the writer's process did not start.
    """
    bounds = settings.log
    if bounds.writer == "process":
        return await open_remote_log(
            WriterOptions(
                directory=settings.data,
                names=Names(replica=bounds.replica, boot=entropy(8).hex()),
                queue_size=bounds.queue_size,
                commit_timeout_s=bounds.commit_timeout_s,
                linger_s=bounds.linger_ms / 1_000,
                level=settings.observe.level,
            ),
            clock=clock,
            entropy=entropy,
        )
    return open_log(
        settings.data,
        clock=clock,
        replica=bounds.replica,
        entropy=entropy,
        queue_size=bounds.queue_size,
        commit_timeout_s=bounds.commit_timeout_s,
        linger_s=bounds.linger_ms / 1_000,
    )


async def found(
    settings: Settings, log: LogFront, people: People, *, now: datetime
) -> tuple[CompiledBundle, Path] | None:
    """Genesis on an empty log, and the first person's token; None where the log has a bundle.

    Returns:
        The bundle that is active now, and the file with the token.

    Raises:
        BundleError: genesis is refused, with every located problem.
    """
    governance = settings.governance
    if log.peek(ACTIVE_KEY) is not None:
        return None
    files = read_folder(governance.policies)
    continues = read_predecessor(settings.data)
    mode = governance.mode
    if continues is not None:  # a lost log's mode is kept, whatever the settings say now
        mode = "solo" if continues.mode == "solo" else "team"
    first = governance.first_person or _founder(files, now, solo=mode == "solo")
    by = PersonId(first)
    compiled = await genesis(log, files, mode=mode, by=by, now=now, continues=continues)
    return compiled, await people.write_first(settings.data, compiled.bundle.catalog, first)


async def close_open_permits(log: LogFront, projection: Projection) -> None:
    """Permits of this replica's earlier boots without outcome end as `unknown`.

    INVARIANT: an outcome is written for a permit that stands in the log's own entries and has none
    there. A projection only tells where to look: a second outcome would spoil the log for good.
    """
    for open_permit in await projection.open_permits(log.names.replica, log.names.boot):
        await log.append(
            Item(
                kind=_ending(open_permit.attempt),
                fields={
                    "decision_id": open_permit.decision_id,
                    "attempt": open_permit.attempt,
                    "deployment": open_permit.deployment,
                    "status": "unknown",
                    "failure": "restart",
                },
            )
        )


def _ending(attempt: int) -> str:
    """The kind of entry that closes a permit of this number."""
    if attempt == SHADOW:
        return "shadow.ended"
    if attempt > SHADOW:
        return "outcome"
    return "moderation.ended" if attempt > JUDGMENTS else "judge.ended"


def _founder(files: Mapping[str, bytes], now: datetime, *, solo: bool) -> str:
    """The first person, by name, whom the bundle lets invite others."""
    compiled = compile_bundle(files)
    authorizer = CedarAuthorizer(compiled)
    people = sorted(compiled.bundle.catalog.people)
    may = (
        p
        for p in people
        if authorizer.allows(p, "invite", {"type": "User", "id": p}, now=now, solo=solo)
    )
    first = next(may, None)
    if first is None:
        raise BundleError(["catalog: nobody under `people` may invite others; add an operator"])
    return first
