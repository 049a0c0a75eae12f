"""Properties of proposals, statements and places."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bundle.bundles import pack_files

from transire.bundle.acts import format_moment, parse_moment
from transire.bundle.proposal import APPROVAL_LIFETIME, Approval, Proposal
from transire.bundle.rules import split_statements
from transire.domain.ids import BundleDigest, PersonId
from transire.errors import IntegrityError

PEOPLE = st.sampled_from(["ana", "ben", "carl"]).map(PersonId)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
APPROVALS = st.builds(Approval, by=PEOPLE, at=MOMENTS)
PROPOSALS = st.builds(
    Proposal,
    digest=st.just(BundleDigest("d" * 64)),
    parent=st.sampled_from(["a" * 64, "b" * 64]).map(BundleDigest),
    author=PEOPLE,
    proposed_at=MOMENTS,
    approvals=st.lists(APPROVALS, max_size=3).map(tuple),
    is_activated=st.booleans(),
)


@given(PROPOSALS)
def test_a_proposal_is_read_as_it_was_written(proposal: Proposal) -> None:
    assert Proposal.from_text(proposal.to_text()) == proposal


@given(PROPOSALS, st.data())
def test_a_proposal_has_one_spelling(proposal: Proposal, data: st.DataObject) -> None:
    text = proposal.to_text()
    at = data.draw(st.integers(0, len(text)))

    try:
        read = Proposal.from_text(text[:at] + " " + text[at:])
    except IntegrityError:
        return
    assert read != proposal  # the space fell into a value, so it is another proposal


@given(PROPOSALS, MOMENTS)
def test_in_a_team_no_author_counts_and_nothing_old_does(proposal: Proposal, now: datetime) -> None:
    counting = proposal.counting(now, solo=False)

    assert all(a.by != proposal.author for a in counting)
    assert all(timedelta(0) <= now - a.at < APPROVAL_LIFETIME for a in counting)
    assert set(counting) <= set(proposal.counting(now, solo=True)) <= set(proposal.approvals)


@given(PROPOSALS, APPROVALS)
def test_a_person_approves_once(proposal: Proposal, approval: Approval) -> None:
    approved = proposal.approved(approval).approved(approval)

    assert [a for a in approved.approvals if a.by == approval.by] == [approval]


@given(PROPOSALS)
def test_a_proposal_is_open_only_against_its_parent(proposal: Proposal) -> None:
    assert proposal.is_open(proposal.parent) == (not proposal.is_activated)
    assert not proposal.is_open(BundleDigest("c" * 64))
    assert not proposal.is_open(None)


@given(MOMENTS)
def test_a_moment_is_read_as_it_was_written(moment: datetime) -> None:
    assert parse_moment(format_moment(moment)) == moment


STATEMENT = st.sampled_from(
    [
        "permit (principal, action, resource);",
        '@id("a;b") forbid (principal, action, resource)\nwhen { "x // y" == "z" };',
        '@reason("say \\"no;\\"") permit (principal, action, resource);',
    ]
)
GAP = st.sampled_from(["\n", "\n\n// a comment; with a semicolon\n", "  ", '\n// "quoted\n'])


@given(st.lists(st.tuples(GAP, STATEMENT), max_size=6))
def test_statements_are_found_whole_and_at_their_lines(rows: list[tuple[str, str]]) -> None:
    text, expected = "", []
    for gap, statement in rows:
        text += gap
        expected.append((text.count("\n") + 1, statement))
        text += statement

    assert list(split_statements(text)) == expected


def test_the_packs_statements_are_as_many_as_cedar_finds() -> None:
    import cedarpy

    for name, data in pack_files().items():
        if name.endswith(".cedar"):
            text = data.decode()
            parsed = cedarpy.policies_to_pst(text)
            assert len(list(split_statements(text))) == len(parsed.static_policies), name
