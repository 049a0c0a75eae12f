from transire.classify.mapping import failed_classes, findings_of, promised_classes
from transire.classify.recognizer import Hit
from transire.classify.scan import OPAQUE
from transire.domain.ids import DataClass
from transire.domain.taxonomy import EntityRule

RULES = {
    "EMAIL": EntityRule(data_class=DataClass("CONTACT"), min_score_pct=40),
    "LIST": EntityRule(data_class=DataClass("BULK"), min_score_pct=40, min_count=3),
}


def test_a_finding_at_its_threshold_counts_and_below_it_does_not() -> None:
    hits = [(0, Hit(0, 3, "EMAIL", 40)), (0, Hit(5, 8, "EMAIL", 39))]

    found = findings_of(hits, RULES)

    assert [(f.start, f.end, f.data_class) for f in found] == [(0, 3, "CONTACT")]


def test_a_class_with_a_count_is_present_only_from_that_many_findings_over_all_parts() -> None:
    two = [(part, Hit(0, 3, "LIST", 90)) for part in range(2)]
    three = [(part, Hit(0, 3, "LIST", 90)) for part in range(3)]

    assert findings_of(two, RULES) == ()
    assert [f.part for f in findings_of(three, RULES)] == [0, 1, 2]


def test_what_two_recognizers_find_in_one_place_is_counted_once() -> None:
    rule, model, apart = Hit(0, 8, "LIST", 90), Hit(2, 10, "LIST", 70), Hit(10, 14, "LIST", 90)

    assert findings_of([(0, rule), (0, model), (0, apart)], RULES) == ()
    assert len(findings_of([(0, rule), (0, model), (0, apart), (1, rule)], RULES)) == 4


def test_an_entity_outside_the_taxonomy_is_ignored() -> None:
    assert findings_of([(0, Hit(0, 3, "OTHER", 100))], RULES) == ()


def test_a_failed_recognizer_fails_its_class_alone() -> None:
    assert failed_classes(["EMAIL"], RULES) == {"CONTACT"}


def test_a_failure_of_the_whole_scan_fails_every_promised_class() -> None:
    assert failed_classes([OPAQUE], RULES) == promised_classes(RULES) == {"CONTACT", "BULK"}


def test_an_unknown_failure_is_read_as_the_worst() -> None:
    assert failed_classes(["something_new"], RULES) == promised_classes(RULES)


def test_nothing_failed_fails_nothing() -> None:
    assert failed_classes([], RULES) == frozenset()
