"""What is governed: does it compile, can its upstreams be called, and what can its detector see."""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from transire.bundle.canaries import CANARIES
from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.source import bundle_digest, read_folder
from transire.cli.checkup.result import Check, fail, ok, warn
from transire.cli.checkup.upstreams import not_reached
from transire.domain.bundle import Bundle
from transire.domain.deployment import Acceptance
from transire.domain.ids import DataClass
from transire.errors import BundleError, TransireError
from transire.outbound.secrets import Secrets
from transire.settings import Settings
from transire.workbench.check import check_files

__all__ = ["check_bundle", "check_detector", "check_expiries", "check_secrets", "check_upstreams"]

_SOON: Final = timedelta(days=14)
"""A change needs two people, and one of them may be on leave."""
_PERSON: Final = "PERSON"
_ADDRESSES: Final = DataClass("LOCATION_DATA")
_TREATED_AS_FOUND: Final = frozenset({DataClass("PERSONAL"), DataClass("CREDENTIAL")})
_NO_PLACES: Final = "no recognizer finds where people live"


def check_bundle(
    settings: Settings, active: Mapping[str, bytes] | None, now: datetime, *, mode: str | None
) -> tuple[CompiledBundle | None, list[Check]]:
    """The active bundle of the log, or, before there is one, the folder that will be founded."""
    folder = settings.governance.policies
    checks: list[Check] = []
    try:
        files = read_folder(folder)
    except BundleError as refused:
        if active is None:
            return None, [fail("bundle", refused.problems[0], "`transire init DIR` writes one")]
        files = None
    if active is not None and files is not None and bundle_digest(files) != bundle_digest(active):
        checks.append(
            warn(
                "policies folder",
                f"{folder} differs from the active bundle and governs nothing",
                f"look with `transire bundle diff active {folder}`, then propose it",
            )
        )
    name = "active bundle" if active is not None else "policies folder"
    chosen = active if active is not None else files or {}
    report = check_files(chosen, now=now, solo=(mode or settings.governance.mode) == "solo")
    if not report.is_sound:
        more = f" (and {len(report.problems) - 1} more)" if len(report.problems) > 1 else ""
        do = "`transire bundle check` says all of it"
        return None, [*checks, fail(name, report.problems[0] + more, do)]
    found = f"{report.policies} policies, digest {str(report.digest)[:16]}"
    if report.warnings:
        more = f" (and {len(report.warnings) - 1} more)" if len(report.warnings) > 1 else ""
        do = "`transire bundle check` says all of it"
        checks.append(warn(name, report.warnings[0] + more, do))
    return compile_bundle(chosen), [*checks, ok(name, found)]


def check_secrets(settings: Settings, bundle: Bundle) -> Iterator[Check]:
    """The credentials that deployments name: each there, and not empty."""
    held = Secrets(
        {name: value.get_secret_value() for name, value in settings.upstream.secrets.items()},
        settings.upstream.secrets_dir,
    )
    wanted: dict[str, list[str]] = {}
    for deployment in bundle.catalog.receivers.values():
        if deployment.credential is not None:
            wanted.setdefault(deployment.credential, []).append(deployment.id)
    for name, users in sorted(wanted.items()):
        if held.get(name):
            yield ok(f"secret {name}", f"present, for {', '.join(users)}")
        else:
            yield fail(
                f"secret {name}",
                f"missing, and {', '.join(users)} cannot be called without it",
                f"put it into a file `{name}` in `upstream.secrets_dir`, readable by you alone, or "
                "into `TRANSIRE_UPSTREAM__SECRETS`",
            )
    if not wanted:
        yield ok("secrets", "no deployment names one")


def check_upstreams(bundle: Bundle) -> Iterator[Check]:
    """Whether somebody listens at each deployment's address."""
    silent = asyncio.run(not_reached(bundle.catalog.receivers.values()))
    for deployment in bundle.catalog.receivers.values():
        name = f"upstream {deployment.id}"
        if deployment.id not in silent:
            yield ok(name, f"{deployment.address} accepts connections")
            continue
        yield warn(
            name, silent[deployment.id], "start it, or mend its `address` in policies/catalog/"
        )


def check_detector(bundle: Bundle, now: datetime) -> Iterator[Check]:
    """Every promised class: are the canaries of its entities found, and if not, why."""
    # Loads models and a large library; a command that needs neither must not wait for them.
    from transire.classify.detector import EngineDetector
    from transire.classify.names.finder import LANGUAGES, NameFinder
    from transire.clock import SystemClock
    from transire.identity.digests import InstallationKeys

    clock = SystemClock()
    try:
        finder = NameFinder.load(bundle.detector.names, clock.monotonic)
        detector = EngineDetector(
            bundle, keyed=InstallationKeys(os.urandom(32)), clock=clock, pool=None, names=finder
        )
        lost = detector.missed()
    except (TransireError, OSError, ValueError, ImportError) as error:
        yield fail("detector", f"cannot be built ({type(error).__name__})", "reinstall the package")
        return
    promised: dict[DataClass, list[str]] = {}
    for entity, rule in sorted(bundle.taxonomy.entities.items()):
        promised.setdefault(rule.data_class, []).append(entity)
    streets = promised.pop(_ADDRESSES, None)
    for name, entities in sorted(promised.items()):
        gone = [entity for entity in entities if entity in lost]
        if not gone:
            told = ", ".join(entities)
            if _PERSON in entities:
                told += _how_persons(bundle, sorted(LANGUAGES))
            yield ok(f"class {name}", f"covered: {told}")
            continue
        reasons = [_why(entity, bundle, has_canary=entity in CANARIES) for entity in gone]
        yield _uncovered(name, "; ".join(reasons), bundle, now)
    if _ADDRESSES in bundle.taxonomy.data_classes:
        why = "of where people live, only streets are found" if streets else _NO_PLACES
        yield _uncovered(_ADDRESSES, why, bundle, now)


def check_expiries(bundle: Bundle, now: datetime) -> Iterator[Check]:
    """Contracts and acceptances that have ended, or will before two people can act."""
    ends = [
        (f"contract {contract.id} of {tenant.id}", contract.valid_until)
        for tenant in bundle.catalog.tenants.values()
        for contract in tenant.contracts.values()
    ]
    ends += [(f"acceptance {a.id}", a.expires) for a in bundle.catalog.acceptances]
    for name, end in sorted(ends):
        day = end.strftime("%Y-%m-%d")
        if end <= now:
            yield warn(name, f"ended on {day}", "renew it in policies/catalog/, and propose that")
        elif end <= now + _SOON:
            yield warn(name, f"ends on {day}", "renew it in policies/catalog/, and propose that")
    if not any(end <= now + _SOON for _, end in ends):
        yield ok("expiries", "no contract or acceptance ends within 14 days")


def _how_persons(bundle: Bundle, languages: list[str]) -> str:
    from transire.classify.asked import is_asked_for

    if not is_asked_for(bundle, _PERSON):
        return " (PERSON is not looked for: no rule asks, and `detector.audited` does not)"
    return f", in {' and '.join(languages)} alone"


def _why(entity: str, bundle: Bundle, *, has_canary: bool) -> str:
    if entity == _PERSON and set(bundle.detector.names) <= {"none"}:
        return "`detector.names` is none, so that nobody's name is found"
    if not has_canary:
        return f"no recognizer finds {entity}"
    return f"the canary of {entity} is not found; its `min_score` may be too high"


def _uncovered(name: DataClass, why: str, bundle: Bundle, now: datetime) -> Check:
    accepted = next(_accepting(name, bundle.catalog.acceptances, now), None)
    if accepted is None:
        return warn(
            f"class {name}",
            f"uncovered: {why}",
            f"{_meaning(name, bundle)}; add a recognizer, or let two people accept the gap in "
            "policies/catalog/acceptances.yaml",
        )
    who, day = " and ".join(accepted.accepted_by), accepted.expires.strftime("%Y-%m-%d")
    return ok(f"class {name}", f"uncovered, accepted by {who} until {day}: {why}")


def _meaning(name: DataClass, bundle: Bundle) -> str:
    """What comes of an uncovered class: `rules/limits/` knows personal data and credentials."""
    if bundle.taxonomy.class_closure([name]) & _TREATED_AS_FOUND:
        return "rules/limits/ treats all text like found personal data"
    return (
        f"no text is ever found to be {name}, so rules about found {name} never hold; only rules "
        "that read `context.uncoveredClasses` do"
    )


def _accepting(
    name: DataClass, acceptances: Iterable[Acceptance], now: datetime
) -> Iterator[Acceptance]:
    return (
        a for a in acceptances if name in a.data_classes and a.expires > now and a.covers("text")
    )
