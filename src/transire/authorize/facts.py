"""The facts Cedar sees, without and with the caller's assertions. Pure but for a memo of closures.

Base facts come from credential, catalog, detector and body alone. Asserted facts are the same with
the caller's claims added: classes join, those of the session it names too, stakes rise, another
purpose replaces the key's. Both are evaluated and the stricter result counts (I5), so it does not
matter which way a rule reads an assertion: nothing a caller says can open a pair.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from transire.authorize.memo import Memo
from transire.domain.authorization import Facts, Form
from transire.domain.bundle import Bundle
from transire.domain.classification import Classification
from transire.domain.deployment import Acceptance, Application
from transire.domain.ids import DataClass, Purpose, Stakes, TenantId
from transire.domain.prompt import BundleText
from transire.domain.request import Assertions, Principal, RoutingRequest
from transire.domain.session import NOTHING_SEEN, Seen
from transire.errors import AuthenticationError, RequestError

__all__ = ["FactReader"]

_PSEUDONYMISED: Final = DataClass("PSEUDONYMISED")
_REDACTIONS: Final = (None, "require", "forbid")
_CLOSURES: Final = 2_048
"""Closed class sets remembered; a taxonomy of 17 classes meets a few hundred in practice."""


class FactReader:
    """Reads requests and classifications in the words of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._taxonomy = bundle.taxonomy
        self._catalog = bundle.catalog
        self._closed: Memo[frozenset[DataClass]] = Memo(_CLOSURES)
        self._after: Memo[tuple[frozenset[DataClass], tuple[str, ...]]] = Memo(_CLOSURES)
        self._ends = sorted({acceptance.expires for acceptance in bundle.catalog.acceptances})

    def application(self, principal: Principal) -> Application:
        """The catalog's application behind a credential.

        Raises:
            AuthenticationError: the active catalog no longer knows it, moved it to another tenant,
                or no longer lists the key's purpose for it.
        """
        named = principal.application
        application = None if named is None else self._catalog.applications.get(named)
        if application is None or application.tenant != principal.tenant:
            raise AuthenticationError("this key's application is not in the active catalog")
        if principal.purpose is not None and principal.purpose not in application.purposes:
            raise AuthenticationError("this key's purpose is not in the active catalog")
        return application

    def base(
        self,
        request: RoutingRequest,
        classification: Classification,
        *,
        form: Form,
        now: datetime,
    ) -> Facts:
        """Facts of credential, catalog, detector and body alone.

        Args:
            classification: Of the body in this form; see `redacted` for the other form's.
            now: Ends acceptances; a part of the facts, so never remembered across their expiry.
        """
        application = self.application(request.principal)
        if request.bundle_text is not None:
            classification = _with_bundle_text(classification, request.bundle_text)
        uncovered, used = self._accepted(classification.uncovered, application.tenant, now)
        return Facts(
            purpose=request.principal.purpose or application.purposes[0],
            stakes=self._highest(application.stakes, classification.signals.stakes),
            data_classes=self.closed(classification.found),
            failed_classes=self.closed(classification.failed),
            uncovered_classes=self.closed(uncovered),
            unscanned_parts=classification.unscanned_parts,
            capabilities=request.body.capabilities,
            redacted=form is Form.REDACTED,
            user=request.principal.user,
            acceptances=used,
            reduced_classes=self.closed(classification.reduced),
            raised_guards=classification.raised_guards,
            failed_guards=classification.failed_guards,
        )

    def redacted(self, base: Facts, raw: Classification, raw_base: Facts) -> Facts:
        """Base facts of the redacted form: what redaction cannot take away is put back.

        Failed, uncovered and reduced classes, guards, unread parts and stakes of the raw form stay,
        and so does every class that no finding accounts for: nothing was replaced that could have
        removed it. The detector's own answer says the same; eligibility does not depend on it.
        """
        located = frozenset(finding.data_class for finding in raw.findings)
        marked = {_PSEUDONYMISED} & self._taxonomy.data_classes.keys()
        return Facts(
            purpose=base.purpose,
            stakes=self._highest(base.stakes, raw_base.stakes),
            data_classes=self.closed(base.data_classes | (raw.found - located) | marked),
            failed_classes=base.failed_classes | raw_base.failed_classes,
            uncovered_classes=base.uncovered_classes | raw_base.uncovered_classes,
            unscanned_parts=max(base.unscanned_parts, raw_base.unscanned_parts),
            capabilities=base.capabilities | raw_base.capabilities,
            redacted=True,
            user=base.user,
            acceptances=tuple(sorted({*base.acceptances, *raw_base.acceptances})),
            reduced_classes=base.reduced_classes | raw_base.reduced_classes,
            raised_guards=base.raised_guards | raw_base.raised_guards,
            failed_guards=base.failed_guards | raw_base.failed_guards,
        )

    def asserted(self, base: Facts, assertions: Assertions, seen: Seen = NOTHING_SEEN) -> Facts:
        """The base facts with what the caller asserts; the same object where that adds nothing.

        Asserted classes join each form's own, so they survive redaction.

        Args:
            seen: What the session that the caller names has seen in this form. Naming it is an
                assertion, so it stands here and never among the base facts (I5).
        """
        is_silent = assertions.purpose is None and assertions.stakes is None
        if is_silent and not assertions.data_classes and seen == NOTHING_SEEN:
            return base
        seen = seen.within(frozenset(self._taxonomy.data_classes))
        asserted = Facts(
            purpose=assertions.purpose or base.purpose,
            stakes=self._highest(base.stakes, assertions.stakes),
            data_classes=self.closed(base.data_classes | assertions.data_classes | seen.found),
            failed_classes=base.failed_classes | self.closed(seen.failed),
            uncovered_classes=base.uncovered_classes | self.closed(seen.uncovered),
            unscanned_parts=base.unscanned_parts,
            capabilities=base.capabilities,
            redacted=base.redacted,
            subject_region=base.subject_region,
            user=base.user,
            acceptances=base.acceptances,
            reduced_classes=base.reduced_classes | self.closed(seen.reduced),
            raised_guards=base.raised_guards,
            failed_guards=base.failed_guards,
        )
        return base if asserted == base else asserted

    def check(self, assertions: Assertions, application: Application) -> None:
        """Refuse asserted names that do not exist, before anything is asked.

        Raises:
            RequestError: names the field and the valid names; never repeats the caller's text.
        """
        if assertions.purpose is not None:
            _member("purpose", [assertions.purpose], application.purposes)
        if assertions.stakes is not None:
            _member("stakes", [assertions.stakes], self._taxonomy.stakes)
        if assertions.data_classes:
            _member("data_classes", assertions.data_classes, self._taxonomy.data_classes)
        if assertions.jurisdictions:
            _member("jurisdictions", assertions.jurisdictions, self._taxonomy.jurisdictions)
        if assertions.redaction not in _REDACTIONS:
            raise RequestError(
                "`transire.redaction` must be one of allow, require, forbid",
                param="transire.redaction",
            )

    def closed(self, classes: frozenset[DataClass]) -> frozenset[DataClass]:
        """The classes and everything they imply."""
        known = self._closed.recall(classes)
        if known is None:
            known = self._closed.remember(classes, self._taxonomy.class_closure(classes))
        return known

    def _accepted(
        self, uncovered: Mapping[DataClass, frozenset[str]], tenant: TenantId, now: datetime
    ) -> tuple[frozenset[DataClass], tuple[str, ...]]:
        """`_after_acceptances`, remembered from the last end of one before `now` to the next."""
        if not uncovered:
            return frozenset(), ()
        ends = self._ends
        key = tenant, bisect_right(ends, now), tuple(uncovered.items())
        known = self._after.recall(key)
        if known is None:
            found = _after_acceptances(uncovered, self._catalog.acceptances, tenant, now)
            known = self._after.remember(key, found)
        return known

    def _highest(self, floor: Stakes, raised: Stakes | None) -> Stakes:
        return floor if raised is None else self._taxonomy.max_stakes(floor, raised)


def _member(
    field: str, names: Iterable[str], known: Iterable[DataClass] | Iterable[Purpose] | Iterable[str]
) -> None:
    members = frozenset[str](known)
    if not members.issuperset(names):
        raise RequestError(
            f"`transire.{field}` holds a name this application may not use; "
            f"it may use {', '.join(sorted(members))}",
            param=f"transire.{field}",
        )


def _with_bundle_text(classification: Classification, text: BundleText) -> Classification:
    """What is known of the content and of the bundle's own text before it; redaction spares it."""
    own = BundleText(
        found=classification.found,
        failed=classification.failed,
        uncovered=classification.uncovered,
        reduced=classification.reduced,
    )
    both = own | text
    return replace(
        classification,
        found=both.found,
        failed=both.failed,
        uncovered=both.uncovered,
        reduced=both.reduced,
    )


def _after_acceptances(
    uncovered: Mapping[DataClass, frozenset[str]],
    acceptances: Iterable[Acceptance],
    tenant: TenantId,
    now: datetime,
) -> tuple[frozenset[DataClass], tuple[str, ...]]:
    """Uncovered classes of which no acceptance in force covers *every* gap.

    A class that names no gap has one in everything: nothing can accept it.
    """
    in_force = [a for a in acceptances if a.tenant in (None, tenant) and now < a.expires]
    left: set[DataClass] = set()
    used: set[str] = set()
    for data_class, gaps in uncovered.items():
        covering = [a for a in in_force if data_class in a.data_classes]
        if gaps and all(any(a.covers(gap) for a in covering) for gap in gaps):
            used.update(a.id for a in covering if any(map(a.covers, gaps)))
        else:
            left.add(data_class)
    return frozenset(left), tuple(sorted(used))
