import pytest
from tests.unit.bundle.bundles import CATALOG, ROUTING, RULES, TAXONOMY, pack_files, small_files

from transire.bundle.compile import compile_bundle
from transire.domain.session import SessionRules
from transire.errors import BundleError


def problems_of(files: dict[str, bytes]) -> list[str]:
    with pytest.raises(BundleError) as refused:
        compile_bundle(files)
    return refused.value.problems


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_starter_pack_compiles_without_a_warning() -> None:
    assert compile_bundle(pack_files()).warnings == ()


def test_policies_are_known_by_their_own_ids() -> None:
    compiled = compile_bundle(small_files())

    assert "grant.fleet" in compiled.tree.static_policies
    assert "limits.credential-found" in compiled.bundle.annotations


def test_the_same_files_give_the_same_digest_in_any_order() -> None:
    files = small_files()

    assert compile_bundle(files).digest == compile_bundle(dict(reversed(files.items()))).digest


def test_a_comment_changes_the_digest() -> None:
    files = small_files()

    other = compile_bundle(files | {"routing.yaml": files["routing.yaml"] + b"# why\n"})
    assert compile_bundle(files).digest != other.digest


def test_every_entity_a_rule_may_name_is_known() -> None:
    ids = compile_bundle(small_files()).entity_ids

    expected = {
        ("Tenant", "acme"),
        ("DeploymentGroup", "fleet"),
        ("Model", "breeze"),
        ("Contract", "acme/nw"),
        ("Jurisdiction", "NO"),
        ("Role", "author"),
        ("Installation", "this"),
    }
    assert expected <= ids


def test_an_empty_bundle_is_refused() -> None:
    assert "the bundle is empty" in problems_of({})[0]


def test_a_bundle_that_routes_nothing_is_refused() -> None:
    rules = RULES[RULES.index('@id("people.propose")') :]

    assert problems_of(small_files(rules=rules)) == [
        "rules: no rule permits `route`, so nothing could ever be routed"
    ]


def test_a_file_of_no_known_kind_is_refused() -> None:
    for name in ("notes.txt", "rules/../../x.cedar", "/rules/x.cedar", "rules/.x.cedar"):
        assert problems_of(small_files() | {name: b""}) == [
            f"{name!r}: no such kind of file in a bundle"
        ]


def test_the_protected_limits_may_not_be_missing() -> None:
    files = {n: d for n, d in small_files().items() if not n.startswith("rules/limits/")}

    assert (
        "rules/limits: `limits.credential-found` is protected and is missing or was changed"
        in problems_of(files)
    )


def test_the_protected_limits_may_not_be_weakened() -> None:
    files = small_files()
    name = "rules/limits/detector.cedar"
    files[name] = files[name].replace(b"unless { resource.onPremise };", b"unless { true };", 1)

    assert problems_of(files) == [
        "rules/limits: `limits.credential-failed` is protected and is missing or was changed"
    ]


def test_rules_may_be_added_beside_the_protected_limits() -> None:
    files = small_files()
    files["rules/limits/ours.cedar"] = (
        b'@id("limits.ours") @reason("ours") forbid (principal, action in Action::"dispatch", '
        b'resource) when { context.dataClasses.contains(DataClass::"HEALTH") };'
    )

    assert "limits.ours" in compile_bundle(files).bundle.annotations


FORBID = 'forbid (principal, action in Action::"dispatch", resource)'


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (f"{FORBID} when {{ context.redacted }};", "needs an `@id"),
        (f'@id("Big") @reason("r") {FORBID};', "needs an `@id"),
        (f'@id("a/b") @reason("r") {FORBID};', "needs an `@id"),
        (f'@id("x") {FORBID};', "a forbid needs a `@reason`"),
        (f'@id("x") @reason("r") @reveiw("q") {FORBID};', "unknown annotation ['reveiw']"),
        (f'@id("x") @reason("r") @sla_minutes("soon") {FORBID};', "is a whole number of minutes"),
        (f'@id("x") @reason("r") @queue("nope") {FORBID};', "no queue `nope` in the catalog"),
        ('@id("x") permit (principal, action, resource);', "would open everything"),
        (
            '@id("x") permit (principal is Application, action, resource is Deployment);',
            "would open everything",
        ),
        (
            '@id("x") permit (principal, action == Action::"route", resource) when { true };',
            "would open everything",
        ),
        (
            '@id("x") permit (principal in ?principal, action, resource);',
            "templates are not supported",
        ),
        (
            (f'@id("x") @reason("r") {FORBID} '
            'when { context.dataClasses.contains(DataClass::"PERSONNAL") };'),
            "PERSONNAL",
        ),
        (
            f'@id("x") @reason("r") {FORBID} when {{ resource.tear == Tier::"premium" }};',
            "tear",
        ),
        (
            (f'@id("x") @reason("r") {FORBID} '
            'when { principal.tenant.getTag(resource.provider).baa };'),
            "tag",
        ),
        (
            ('@id("x") permit (principal in Tenant::"acmee", action in Action::"dispatch", '
            'resource in DeploymentGroup::"fleet");'),
            '`Tenant::"acmee"` does not exist in taxonomy or catalog',
        ),
        (
            ('@id("x") permit (principal is User, action == Action::"route", resource) '
            "when { context.redacted };"),
            "",
        ),
        ('@id("x") permit (principal, action resource);', "does not parse"),
        ('@id("x") permit (principal, action, resource) when { "unclosed };', "does not parse"),
        (
            '@id("grant.fleet") permit (principal == Application::"helpdesk", action, resource);',
            "already",
        ),
    ],
)  # fmt: skip
def test_a_bad_rule_is_refused_at_its_line(statement: str, reason: str) -> None:
    rules = RULES + "\n" + statement + "\n"
    line = RULES.count("\n") + 2

    problems = problems_of(small_files(rules=rules))

    assert [p for p in problems if p.startswith(f"rules/main.cedar:{line}: ") and reason in p]


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("provider: nordwind", "provider: nord", "provider: nord", "the provider `nord`"),
        ("model: breeze.1\n", "model: breeze.2\n", "model: breeze.2", "the model `breeze.2`"),
        ("tier: economy", "tier: luxury", "tier: luxury", "the tier `luxury`"),
        ("regions: [DE]", "regions: [DD]", "regions: [DD]", "the jurisdiction `DD`"),
        ("regions: [DE]", "regions: []", "regions: []", "at least 1 item"),
        ("roles: [operator]", "roles: [boss]", "omar:", "the role `boss`"),
        ("purposes: [support]", "purposes: [fun]", "helpdesk:", "the purpose `fun`"),
        ("helpdesk: {tenant: acme", "helpdesk: {tenant: acne", "helpdesk:", "the tenant `acne`"),
        ("{default: 600}", "{default: 600, faq: 1}", "quality_permille", "the task `faq`"),
        ("{default: 600}", "{}", "quality_permille", "needs a `default`"),
        ("{default: 600}", "{default: 1001}", "quality_permille", "less than or equal to 1000"),
        ("zero_retention: true", "zero_retenton: true", "zero_retenton", "extra inputs"),
        ("zero_retention: true", "zero_retention: yes", "zero_retention", "valid boolean"),
        ("context_tokens: 8000", "context_tokens: 010", "context_tokens", "valid integer"),
        ("context_tokens: 8000", 'context_tokens: "8000"', "context_tokens", "valid integer"),
        ("2028-01-01T00:00:00Z", "2028-01-01", "valid_until", "a time is spelled like"),
        ("2028-01-01T00:00:00Z", "2028", "valid_until", "a time is spelled like"),
        ("2028-01-01T00:00:00Z", "2028-02-30T00:00:00Z", "valid_until", "not in the calendar"),
        ("2028-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "nordwind:\n        id", "must be before"),
        ("  eu-one:\n", "  EU-one:\n", "EU-one", "should match pattern"),
        ("models:\n", "models:\n  x: {family: y}\nmodels:\n", "models:\n  breeze", "stands twice"),
        ("http://127.0.0.1:9101/v1", "ftp://x/v1", "address", "should match pattern"),
        ("http://127.0.0.1:9101/v1", "http://u:p@h/v1?k=1", "address", "should match pattern"),
    ],
)  # fmt: skip
def test_a_bad_catalog_is_refused_at_its_line(old: str, new: str, at: str, reason: str) -> None:
    catalog = changed(CATALOG, old, new)

    problems = problems_of(small_files(catalog=catalog))

    assert problems
    expected = f"catalog/all.yaml:{line_of(catalog, at)}: "
    assert [p for p in problems if p.startswith(expected) and reason in p], problems


def test_an_id_may_not_stand_in_two_files() -> None:
    files = small_files() | {"catalog/more.yaml": b"queues:\n  careful: {}\n"}

    place = f"catalog/all.yaml:{line_of(CATALOG, 'careful')}"
    assert problems_of(files) == [f"catalog/more.yaml:2: `careful` stands at {place} already"]


def test_a_contract_id_stands_once_in_a_tenant() -> None:
    catalog = changed(
        CATALOG, "  nordwind: {owner", "  other: {owner_jurisdictions: [US]}\n  nordwind: {owner"
    )
    catalog = changed(
        catalog,
        "applications:",
        "      other: {id: nw, dpa: true, valid_from: 2026-01-01T00:00:00Z, "
        "valid_until: 2028-01-01T00:00:00Z}\napplications:",
    )  # fmt: skip

    assert "the contract `nw` stands twice" in problems_of(small_files(catalog=catalog))[0]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("CONTACT: {implies: [PERSONAL]", "CONTACT: {implies: [PERSNAL]", "data class `PERSNAL`"),
        ("DE: {within: [EU]}", "DE: {within: [EUU]}", "jurisdiction `EUU`"),
        ("when_all: [HEALTH, CONTACT]", "when_all: [HELTH]", "data class `HELTH`"),
        ("purposes: [support, coding]", "purposes: [support, support]", "`support` stands twice"),
        (
            "CONTACT: {implies: [PERSONAL], ",
            "CONTACT: {",
            "`CONTACT` is personal, so it must imply",
        ),
        ("purposes: [support, coding]", "purpose: [support]", "`purposes`: field required"),
    ],
)
def test_a_bad_taxonomy_is_refused(old: str, new: str, reason: str) -> None:
    problems = problems_of(small_files(taxonomy=changed(TAXONOMY, old, new)))

    assert [p for p in problems if p.startswith("taxonomy.yaml:") and reason in p], problems


@pytest.mark.parametrize(
    ("routing", "reason"),
    [
        ("tasks:\n  faq: {}\n", "a task `default` is needed"),
        (ROUTING + "cues:\n  c: {words: [x], task: nope}\n", "the task `nope`"),
        (ROUTING + "cues:\n  c: {words: [x], stakes: extreme}\n", "the stakes level `extreme`"),
        (ROUTING + "repair_stakes: [extreme]\n", "the stakes level `extreme`"),
        (ROUTING + "sessions: {per_application: 0}\n", "greater than or equal to 1"),
        (ROUTING + "sessions: {idle_hours: 1}\n", "extra inputs"),
        (ROUTING + "cues:\n  c: {needs: [grounded]}\n", "the deployment capability `grounded`"),
        (ROUTING + "cues:\n  c: {languages: [fr]}\n", "the detector language `fr`"),
        (ROUTING + "deadline: 5\n", "extra inputs"),
    ],
)
def test_bad_routing_is_refused(routing: str, reason: str) -> None:
    problems = problems_of(small_files(routing=routing))

    assert [p for p in problems if p.startswith("routing.yaml:") and reason in p], problems


def test_sessions_are_remembered_as_the_bundle_says() -> None:
    routing = ROUTING + "sessions: {idle_minutes: 2, per_application: 3}\n"
    said = compile_bundle(small_files(routing=routing)).bundle.routing.sessions
    unsaid = compile_bundle(small_files()).bundle.routing.sessions

    assert said == SessionRules(idle_s=120, per_application=3)
    assert unsaid == SessionRules(idle_s=12 * 3_600, per_application=10_000)


def test_norway_is_a_country() -> None:
    catalog = changed(CATALOG, "regions: [DE]", "regions: [NO]")

    compiled = compile_bundle(small_files(catalog=catalog))

    deployment = next(iter(compiled.bundle.catalog.deployments.values()))
    assert deployment.regions == ("NO",)


def test_a_permit_that_reads_what_callers_may_assert_is_reported() -> None:
    rules = RULES + (
        '@id("wide") permit (principal in Tenant::"acme", action == Action::"route", resource)\n'
        'when { context.purpose == Purpose::"coding" };\n'
        '@id("narrow") @reason("r") forbid (principal, action in Action::"dispatch", resource)\n'
        'when { context.redacted } unless { context has user };\n'
    )  # fmt: skip

    line = RULES.count("\n") + 1
    assert compile_bundle(small_files(rules=rules)).warnings == (
        f"rules/main.cedar:{line}: `wide` widens on context.purpose",
        f"rules/main.cedar:{line + 2}: `narrow` widens on context.user",
    )


def test_an_acceptance_needs_two_people() -> None:
    catalog = CATALOG + (
        "acceptances:\n  gap:\n    data_classes: [CONTACT]\n    modalities: [text]\n"
        "    reason: none yet\n    accepted_by: [ana, ana]\n    expires: 2027-01-01T00:00:00Z\n"
    )

    assert "two different people" in problems_of(small_files(catalog=catalog))[0]


BUDGET = """\
budgets:
  daily: {application: helpdesk, period: day, limit_micro_usd: 1000000}
"""


def test_a_budget_counts_an_application_or_a_tenant_for_a_day_or_month() -> None:
    files = small_files() | {"catalog/budgets.yaml": BUDGET.encode()}

    budgets = compile_bundle(files).bundle.catalog.budgets

    assert [(b.id, b.scope, b.limit_micro_usd) for b in budgets.values()] == [
        ("daily", "application", 1_000_000)
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("application: helpdesk", "application: nobody", "which does not exist"),
        ("application: helpdesk, ", "", "either a `tenant` or an `application`"),
        ("application:", "tenant: acme, application:", "either a `tenant` or an `application`"),
        ("application: helpdesk", "tenant: acme, each_key: true", "goes with an `application`"),
        ("1000000", "0", "greater than or equal to 1"),
        ("period: day", "period: week", "'day' or 'month'"),
    ],
)
def test_a_budget_that_counts_nobody_or_nothing_is_refused(old: str, new: str, why: str) -> None:
    text = changed(BUDGET, old, new)

    problems = problems_of(small_files() | {"catalog/budgets.yaml": text.encode()})

    assert any(why in problem for problem in problems)
    assert all(problem.startswith("catalog/budgets.yaml:2") for problem in problems)
