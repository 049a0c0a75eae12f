"""Sessions, for any bundle and any history: they narrow, they only grow, they are one's own."""

from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.properties.test_authorize import Rule, _compiled, _pairwise, bundles, classes
from tests.unit.authorize.worlds import NOW, asking, judged, redacted

from transire.authorize.cedar import CedarAuthorizer
from transire.domain.authorization import Authorization
from transire.domain.bundle import Quarantine
from transire.domain.ids import ApplicationId, DataClass, TenantId
from transire.domain.request import Assertions, RoutingRequest
from transire.domain.session import Seen, Session, SessionRules
from transire.limits.sessions import SessionMemory

Classes: TypeAlias = frozenset[DataClass]

RULES = SessionRules(idle_s=3_600, per_application=1_000)
seen = st.builds(Seen, found=classes, failed=classes, uncovered=classes, reduced=classes)
sessions = st.builds(Session, digest=st.just("s"), raw=seen, redacted=seen)
contents = st.tuples(classes, classes, classes)
"""Classes found, failed and uncovered in one turn."""
turns = st.lists(
    st.tuples(contents, classes, st.booleans(), st.integers(0, 3_599)), min_size=1, max_size=6
)
"""Content, claimed classes, whether it can be redacted, seconds until the next turn."""


def authorized(
    authorizer: CedarAuthorizer,
    request: RoutingRequest,
    content: tuple[Classes, Classes, Classes],
    *,
    is_redactable: bool = True,
) -> Authorization:
    found, failed, uncovered = content
    gaps: dict[str, set[str]] = {name: {"image"} for name in uncovered}
    residual = redacted(judged("PSEUDONYMISED", failed=failed, uncovered=gaps))
    return authorizer.authorize(
        request,
        judged(*found, failed=failed, uncovered=gaps),
        residual if is_redactable else None,
        quarantine=Quarantine(),
        now=NOW,
    )


@given(bundles, sessions, contents, classes)
def test_naming_a_session_never_opens_a_pair(
    generated: list[Rule],
    session: Session,
    content: tuple[Classes, Classes, Classes],
    claimed: Classes,
) -> None:
    authorizer = CedarAuthorizer(_compiled(generated))
    plain = asking(Assertions(data_classes=claimed))
    bare = authorized(authorizer, asking(), content)
    without = authorized(authorizer, plain, content)
    within = authorized(authorizer, replace(plain, session=session), content)

    assert _pairwise(within, bare)
    for form, (base, asserted) in without.facts.items():
        assert within.facts[form][0] == base
        assert within.facts[form][1].data_classes >= asserted.data_classes
        assert within.facts[form][1].failed_classes >= asserted.failed_classes
        assert within.facts[form][1].uncovered_classes >= asserted.uncovered_classes
        assert within.facts[form][1].reduced_classes >= asserted.reduced_classes


@given(turns)
def test_classes_of_a_session_never_shrink_while_it_lives(
    history: list[tuple[tuple[Classes, Classes, Classes], Classes, bool, int]],
) -> None:
    clock = FakeClock()
    memory, authorizer = SessionMemory(clock), CedarAuthorizer(_compiled([]))
    everything = Seen()
    for content, claimed, is_redactable, idle_s in history:
        asked = asking(Assertions(session_id="s", data_classes=claimed))
        request = memory.recalled(asked, RULES)
        assert request.session is not None
        assert request.session.raw == everything
        judgement = authorized(authorizer, request, content, is_redactable=is_redactable)
        memory.saw(request, judgement, RULES)
        _, asserted = next(iter(judgement.facts.values()))
        assert asserted.data_classes >= everything.found
        assert asserted.failed_classes >= everything.failed
        after = memory.recalled(asked, RULES).session
        assert after is not None
        assert after.raw | everything == after.raw
        assert after.redacted | request.session.redacted == after.redacted
        assert content[0] | claimed <= after.raw.found
        everything = after.raw
        clock.advance(idle_s)


owners = st.tuples(st.sampled_from(["t1", "t2"]), st.sampled_from(["a", "b"]))
steps = st.lists(st.tuples(owners, st.sampled_from(["s1", "s2", "s3"]), classes), max_size=20)


@given(steps, st.integers(1, 3))
def test_what_others_do_never_moves_ones_own_sessions(
    history: list[tuple[tuple[str, str], str, Classes]], bound: int
) -> None:
    """One application's memory is as if nobody else had asked anything."""
    rules = replace(RULES, per_application=bound)
    authorizer = CedarAuthorizer(_compiled([]))
    together, alone = SessionMemory(FakeClock()), SessionMemory(FakeClock())

    def named(owner: tuple[str, str], session: str) -> RoutingRequest:
        made = asking(Assertions(session_id=session))
        tenant, application = TenantId(owner[0]), ApplicationId(owner[1])
        return replace(
            made, principal=replace(made.principal, tenant=tenant, application=application)
        )

    for owner, session, found in history:
        judgement = authorized(authorizer, asking(), (found, frozenset(), frozenset()))
        together.saw(named(owner, session), judgement, rules)
        if owner == ("t1", "a"):
            alone.saw(named(owner, session), judgement, rules)

    for session in ("s1", "s2", "s3"):
        mine = named(("t1", "a"), session)
        assert together.recalled(mine, rules) == alone.recalled(mine, rules)
