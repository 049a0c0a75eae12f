"""The facts Cedar sees, without and with the caller's assertions. Pure.

Base facts come from credential, catalog, detector and body alone. Asserted facts are the same with
the caller's claims added: classes join, stakes rise, another purpose replaces the key's. Both are
evaluated and the stricter result counts (DESIGN I5), so it does not matter which way a rule reads
an assertion: nothing a caller says can open a pair.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from transire.domain.bundle import Bundle
from transire.domain.decision import Classification, Facts, Form
from transire.domain.deployment import Acceptance, Application
from transire.domain.ids import DataClass, Jurisdiction, Purpose, TenantId
from transire.domain.request import Principal, RoutingRequest
from transire.errors import AuthenticationError, RequestError

__all__ = ["application_of", "asserted_facts", "base_facts", "check_assertions"]


def application_of(principal: Principal, bundle: Bundle) -> Application:
    """The catalog's application behind a credential.

    Raises:
        AuthenticationError: the active catalog no longer knows it, or moved it to another tenant.
    """
    named = principal.application
    application = None if named is None else bundle.catalog.applications.get(named)
    if application is None or application.tenant != principal.tenant:
        raise AuthenticationError("this key's application is not in the active catalog")
    return application


def base_facts(
    request: RoutingRequest,
    classification: Classification,
    bundle: Bundle,
    *,
    form: Form,
    now: datetime,
) -> Facts:
    """Facts of credential, catalog, detector and body alone."""
    application = application_of(request.principal, bundle)
    taxonomy = bundle.taxonomy
    raised = classification.signals.stakes
    uncovered, used = _after_acceptances(
        classification.uncovered, bundle.catalog.acceptances, application.tenant, now
    )
    return Facts(
        purpose=request.principal.purpose or application.purposes[0],
        stakes=taxonomy.max_stakes(application.stakes, *([raised] if raised else [])),
        data_classes=taxonomy.class_closure(classification.found),
        failed_classes=taxonomy.class_closure(classification.failed),
        uncovered_classes=taxonomy.class_closure(uncovered),
        unscanned_parts=classification.unscanned_parts,
        capabilities=request.body.capabilities,
        redacted=form is Form.REDACTED,
        user=request.principal.user,
        acceptances=used,
    )


def asserted_facts(base: Facts, request: RoutingRequest, bundle: Bundle) -> Facts:
    """The base facts with what the caller asserts; equal to them where it asserts nothing."""
    asserted = request.assertions
    if asserted.purpose is None and asserted.stakes is None and not asserted.data_classes:
        return base
    taxonomy = bundle.taxonomy
    return Facts(
        purpose=asserted.purpose or base.purpose,
        stakes=taxonomy.max_stakes(base.stakes, *([asserted.stakes] if asserted.stakes else [])),
        data_classes=taxonomy.class_closure(base.data_classes | asserted.data_classes),
        failed_classes=base.failed_classes,
        uncovered_classes=base.uncovered_classes,
        unscanned_parts=base.unscanned_parts,
        capabilities=base.capabilities,
        redacted=base.redacted,
        subject_region=base.subject_region,
        user=base.user,
        acceptances=base.acceptances,
    )


def check_assertions(request: RoutingRequest, bundle: Bundle) -> None:
    """Refuse asserted names that do not exist, before anything is asked.

    Raises:
        RequestError: names the field and the valid names; never repeats the caller's text.
    """
    asserted = request.assertions
    application = application_of(request.principal, bundle)
    taxonomy = bundle.taxonomy
    if asserted.purpose is not None:
        _member("purpose", [asserted.purpose], application.purposes)
    if asserted.stakes is not None:
        _member("stakes", [asserted.stakes], taxonomy.stakes)
    _member("data_classes", asserted.data_classes, taxonomy.data_classes)
    _member("jurisdictions", asserted.jurisdictions, taxonomy.jurisdictions)


def _member(
    field: str,
    names: Iterable[str],
    known: Iterable[DataClass] | Iterable[Jurisdiction] | Iterable[Purpose] | Iterable[str],
) -> None:
    members = sorted(known)
    if not set(names) <= set(members):
        raise RequestError(
            f"`transire.{field}` holds a name this application may not use; "
            f"it may use {', '.join(members)}",
            param=f"transire.{field}",
        )


def _after_acceptances(
    uncovered: Mapping[DataClass, frozenset[str]],
    acceptances: Iterable[Acceptance],
    tenant: TenantId,
    now: datetime,
) -> tuple[frozenset[DataClass], tuple[str, ...]]:
    """Uncovered classes that no acceptance in force covers in *all* their modalities."""
    if not uncovered:
        return frozenset(), ()
    in_force = [a for a in acceptances if a.tenant in (None, tenant) and now < a.expires]
    left: set[DataClass] = set()
    used: set[str] = set()
    for data_class, modalities in uncovered.items():
        covering = [a for a in in_force if data_class in a.data_classes]
        accepted = frozenset[str]().union(*(a.modalities for a in covering))
        if modalities <= accepted:
            used.update(a.id for a in covering if a.modalities & modalities)
        else:
            left.add(data_class)
    return frozenset(left), tuple(sorted(used))
