"""What closes a pair besides Cedar."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.authorize.worlds import EU, HOUSE, US, pack

from transire.authorize.narrowing import Limits
from transire.domain.authorization import Form
from transire.domain.bundle import Quarantine
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import Jurisdiction, ProviderId, TenantId
from transire.domain.request import Assertions

BUNDLE = pack().bundle
ACME = TenantId("acme")


def _on(
    deployment: Deployment,
    form: Form = Form.RAW,
    quarantine: Quarantine | None = None,
    **asserted: Any,
) -> tuple[str, ...]:
    limits = Limits.of(ACME, Assertions(**asserted), quarantine or Quarantine())
    return limits.on(deployment, form, BUNDLE.taxonomy)


def _of(name: Any) -> Deployment:
    return BUNDLE.catalog.deployments[name]


def _in(*places: str) -> frozenset[Jurisdiction]:
    return frozenset(map(Jurisdiction, places))


def test_nothing_asserted_closes_nothing() -> None:
    assert [()] * 2 == [_on(_of(EU), form) for form in Form]


def test_a_model_closes_every_other_deployment() -> None:
    models = frozenset({EU})

    assert ((), ("asserted.model",)) == (_on(_of(EU), models=models), _on(_of(US), models=models))


def test_a_model_that_names_no_deployment_closes_all() -> None:
    assert _on(_of(EU), models=frozenset()) == ("asserted.model",)


@pytest.mark.parametrize(
    ("regions", "asserted", "is_open"),
    [
        (("DE",), ("DE",), True),
        (("DE",), ("EEA",), True),
        (("DE",), ("US", "EU"), True),
        (("DE",), ("FR",), False),
        (("DE", "US"), ("DE",), False),
        (("DE", "US"), ("US",), False),
        (("DE", "FR"), ("EU",), True),
        ((), ("EU",), False),
    ],
)
def test_every_place_of_processing_must_lie_in_an_asserted_jurisdiction(
    regions: tuple[str, ...], asserted: tuple[str, ...], is_open: bool
) -> None:
    deployment = replace(_of(EU), regions=tuple(map(Jurisdiction, regions)))

    found = _on(deployment, jurisdictions=_in(*asserted))

    assert (() if is_open else ("asserted.jurisdiction",)) == found


@pytest.mark.parametrize(
    ("asserted", "closed"), [("require", Form.RAW), ("forbid", Form.REDACTED), (None, None)]
)
def test_redaction_closes_one_form(asserted: str | None, closed: Form | None) -> None:
    found = {form for form in Form if _on(_of(EU), form, redaction=asserted)}

    assert ({closed} - {None}) == found


@pytest.mark.parametrize(
    "quarantine",
    [
        Quarantine(version=1, deployments=frozenset({HOUSE})),
        Quarantine(version=1, providers=frozenset({ProviderId("acme-it")})),
        Quarantine(version=1, tenants=frozenset({ACME})),
    ],
)
def test_a_quarantine_closes_both_forms(quarantine: Quarantine) -> None:
    assert [("quarantine",)] * 2 == [_on(_of(HOUSE), form, quarantine) for form in Form]


@pytest.mark.parametrize("state", [DeploymentState.DRAINING, DeploymentState.DISABLED])
def test_a_deployment_that_takes_no_traffic_is_closed(state: DeploymentState) -> None:
    assert _on(replace(_of(EU), state=state)) == ("state",)


def test_every_limit_that_closes_a_pair_is_named() -> None:
    found = _on(
        replace(_of(EU), state=DeploymentState.DISABLED),
        quarantine=Quarantine(version=1, deployments=frozenset({EU})),
        models=frozenset({US}),
        jurisdictions=_in("US"),
        redaction="require",
    )

    expected = ("asserted.model", "asserted.jurisdiction", "asserted.redaction")
    assert (*expected, "quarantine", "state") == found
