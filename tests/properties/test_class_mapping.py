"""From hits to classes: thresholds only drop, failures only widen."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from transire.classify.mapping import failed_classes, findings_of, promised_classes
from transire.classify.recognizer import Hit
from transire.domain.ids import DataClass
from transire.domain.taxonomy import EntityRule

NAMES = ["A", "B", "C", "UNKNOWN"]
rules = st.dictionaries(
    st.sampled_from(NAMES[:3]),
    st.builds(
        EntityRule,
        data_class=st.sampled_from([DataClass("X"), DataClass("Y")]),
        min_score_pct=st.integers(0, 100),
        min_count=st.integers(1, 4),
    ),
)
hits = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.builds(
            Hit,
            start=st.integers(0, 9),
            end=st.integers(10, 20),
            entity=st.sampled_from(NAMES),
            score_pct=st.integers(0, 100),
        ),
    )
)


@given(hits, rules)
def test_every_finding_is_a_hit_above_its_threshold_in_the_order_given(
    drawn: list[tuple[int, Hit]], by_name: dict[str, EntityRule]
) -> None:
    found = [
        (f.part, Hit(f.start, f.end, f.entity, f.score_pct)) for f in findings_of(drawn, by_name)
    ]

    remaining = iter(drawn)
    assert all(item in remaining for item in found)
    assert all(hit.score_pct >= by_name[hit.entity].min_score_pct for _, hit in found)


@given(hits, rules, st.integers(0, 100))
def test_a_higher_threshold_never_finds_more(
    drawn: list[tuple[int, Hit]], by_name: dict[str, EntityRule], rise: int
) -> None:
    stricter = {
        name: replace(rule, min_score_pct=rule.min_score_pct + rise)
        for name, rule in by_name.items()
    }

    assert set(findings_of(drawn, stricter)) <= set(findings_of(drawn, by_name))


@given(hits, rules)
def test_a_class_is_present_in_full_or_not_at_all(
    drawn: list[tuple[int, Hit]], by_name: dict[str, EntityRule]
) -> None:
    found = findings_of(drawn, by_name)

    for name, rule in by_name.items():
        count = sum(f.entity == name for f in found)
        assert count == 0 or count >= rule.min_count


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)), rules)
def test_more_failures_never_fail_fewer_classes(
    some: set[str], more: set[str], by_name: dict[str, EntityRule]
) -> None:
    assert failed_classes(some, by_name) <= failed_classes(some | more, by_name)
    assert failed_classes(some, by_name) <= promised_classes(by_name)
