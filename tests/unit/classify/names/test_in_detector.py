"""Names beside patterns: what belongs to what, and inside which deadline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest
from tests.conftest import FakeClock
from tests.unit.classify.detectors import Keys, bundle_of, classify, redact, request_of, text_part

from transire.classify.coverage import Coverage
from transire.classify.detector import EngineDetector
from transire.classify.language import Heard, LanguageJudge
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.scan import Scan
from transire.clock import SystemClock
from transire.domain.bundle import DetectorRules
from transire.domain.deployment import Application
from transire.domain.ids import ApplicationId, DataClass, Purpose, Stakes, TenantId
from transire.domain.ports import Clock
from transire.domain.taxonomy import EntityRule

REAL = SystemClock()
FINNISH = "Lähettäkää meille asiakirjat viikon loppuun mennessä, niin vastaamme teille pian. " * 4


class Naming:
    """Finds one name at a fixed place; stands in for the models."""

    digest = "0" * 16

    def __init__(
        self,
        start: int,
        end: int,
        *,
        seconds: list[float] | None = None,
        reduced: tuple[str, ...] = (),
    ) -> None:
        self.scan = Scan((Hit(start, end, "PERSON", 90),), (), reduced)
        self.seconds = [] if seconds is None else seconds
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    async def find(self, texts: Sequence[str], seconds: float, party: str = "") -> list[Scan]:
        self.seconds.append(seconds)
        return [self.scan for _ in texts]

    def find_now(self, texts: Sequence[str], seconds: float) -> list[Scan]:
        return [self.scan for _ in texts]


def naming_detector(
    names: Naming,
    *recognizers: Recognizer,
    clock: Clock = REAL,
    mail: Mapping[str, int] = MappingProxyType({}),
) -> EngineDetector:
    entities = {
        "PERSON": EntityRule(data_class=DataClass("IDENTITY"), min_score_pct=20),
        "EMAIL_ADDRESS": EntityRule(
            data_class=DataClass("CONTACT"), **{"min_score_pct": 40, "min_count": 1, **mail}
        ),
        "STREET_ADDRESS": EntityRule(data_class=DataClass("LOCATION_DATA"), min_score_pct=60),
        "US_DRIVER_LICENSE": EntityRule(data_class=DataClass("NATIONAL_ID"), min_score_pct=60),
    }
    return EngineDetector(
        bundle_of(entities, detector=DetectorRules(languages=("en", "de", "fi"))),
        keyed=Keys(),
        clock=clock,
        pool=None,
        recognizers=recognizers,
        names=names,  # type: ignore[arg-type] # a fake of its calls
    )


def finding(entity: str, start: int, end: int, score: int) -> Recognizer:
    return Recognizer(entity, lambda _: True, lambda *_: iter([Hit(start, end, entity, score)]))


def entities_of(detector: EngineDetector) -> set[str]:
    return {
        f.entity for f in classify(detector, request_of("some text of enough letters")).findings
    }


def test_a_name_inside_a_mail_address_belongs_to_the_address() -> None:
    detector = naming_detector(Naming(2, 5), finding("EMAIL_ADDRESS", 2, 12, 90))

    assert entities_of(detector) == {"EMAIL_ADDRESS"}


def test_the_name_of_a_street_belongs_to_the_address() -> None:
    detector = naming_detector(Naming(2, 5), finding("STREET_ADDRESS", 0, 12, 90))

    assert entities_of(detector) == {"STREET_ADDRESS"}


@pytest.mark.parametrize(
    ("recognizer", "mail"),
    [
        (finding("EMAIL_ADDRESS", 2, 12, 30), {}),
        (finding("EMAIL_ADDRESS", 2, 12, 90), {"min_count": 2}),
        (finding("EMAIL_ADDRESS", 2, 4, 90), {}),
        (finding("US_DRIVER_LICENSE", 0, 20, 1), {}),
        (finding("US_DRIVER_LICENSE", 0, 20, 90), {}),
    ],
)
def test_nothing_else_hides_a_name(recognizer: Recognizer, mail: dict[str, int]) -> None:
    assert "PERSON" in entities_of(naming_detector(Naming(2, 5), recognizer, mail=mail))


def test_names_that_a_weaker_model_read_are_reduced_in_raw_and_redacted_form() -> None:
    detector = naming_detector(Naming(2, 5, reduced=("PERSON",)))
    request = request_of("some text of enough letters")

    seen, redacted = classify(detector, request), redact(detector, request)

    assert seen.reduced == {"IDENTITY"}
    assert seen.failed == frozenset()
    assert redacted is not None
    assert redacted.classification.reduced == {"IDENTITY"}


def test_what_is_read_by_the_better_model_is_not_reduced() -> None:
    assert classify(naming_detector(Naming(2, 5)), request_of("some text")).reduced == frozenset()


def test_a_passage_in_a_language_nobody_reads_is_a_gap_in_that_language() -> None:
    detector = naming_detector(Naming(2, 5))
    german = "Bitte senden Sie uns die Unterlagen bis zum Ende der Woche zu. " * 6

    assert classify(detector, request_of(german)).uncovered.get(DataClass("IDENTITY")) is None
    assert classify(detector, request_of(FINNISH)).uncovered[DataClass("IDENTITY")] == {"text.fi"}


def test_closing_a_detector_closes_what_reads_names() -> None:
    names = Naming(2, 5)
    naming_detector(names).close()

    assert names.is_closed


class Counting(LanguageJudge):
    """Counts the texts it hears."""

    def __init__(self) -> None:
        super().__init__(("en", "de", "fi"))
        self.count = 0

    def heard(self, text: str) -> Heard:
        self.count += 1
        return super().heard(text)


def test_a_long_text_is_heard_once_for_each_application_and_a_short_one_never() -> None:
    none, judge = frozenset[DataClass](), Counting()
    coverage = Coverage(
        personal=none,
        missing=none,
        addresses=none,
        identity=frozenset({DataClass("IDENTITY")}),
        is_unasked=False,
        has_names=True,
        judge=judge,
        key=lambda *scoped: "\0".join(scoped).encode(),
    )
    parts = (text_part(FINNISH), text_part("a short text", 1))

    for _ in range(2):
        assert coverage.gaps(parts, ("acme", "desk")) == {"IDENTITY": {"text.fi"}}
    assert judge.count == 1
    coverage.gaps(parts, ("other", "desk"))
    coverage.gaps(parts, ("acme", "other"))
    assert judge.count == 3


@pytest.mark.parametrize(
    ("observed", "audited", "redaction", "is_read"),
    [
        (None, [], False, True),
        (["IDENTITY"], [], False, True),
        (["CONTACT"], [], False, False),
        (["CONTACT"], ["IDENTITY"], False, True),
        (["CONTACT"], [], True, True),
    ],
)
def test_names_are_read_where_a_rule_the_audit_or_redaction_asks_for_them(
    observed: list[str] | None, audited: list[str], redaction: bool, is_read: bool
) -> None:
    names = Naming(2, 5)
    bundle = bundle_of(
        {"PERSON": EntityRule(data_class=DataClass("IDENTITY"), min_score_pct=20)},
        detector=DetectorRules(languages=("en",), audited=frozenset(map(DataClass, audited))),
    )
    application = Application(
        id=ApplicationId("desk"),
        tenant=TenantId("acme"),
        purposes=(Purpose("support"),),
        stakes=Stakes("limited"),
        entitlements=frozenset(),
        redaction=redaction,
    )
    catalog = replace(bundle.catalog, applications={application.id: application})
    known = None if observed is None else frozenset(map(DataClass, observed))
    detector = EngineDetector(
        replace(bundle, catalog=catalog, observed=known),
        keyed=Keys(),
        clock=SystemClock(),
        pool=None,
        recognizers=(),
        names=names,  # type: ignore[arg-type] # a fake of its calls
    )

    seen = classify(detector, request_of("some text"))

    assert (len(names.seconds) == 1) is is_read
    assert (seen.found == {"IDENTITY"}) is is_read
    assert "IDENTITY" not in seen.uncovered
    assert detector.missing == frozenset()


def test_names_have_what_patterns_left_of_the_one_deadline(clock: FakeClock) -> None:
    def slow(*_: object) -> Iterator[Hit]:
        clock.advance(0.01)
        return iter(())

    seconds: list[float] = []
    names = Naming(2, 5, seconds=seconds)
    detector = naming_detector(
        names, Recognizer("EMAIL_ADDRESS", lambda _: True, slow), clock=clock
    )

    classify(detector, request_of("some text"))
    whole_s = detector._rules.base_deadline_ms / 1_000

    assert whole_s - 0.02 < seconds[0] < whole_s - 0.005
