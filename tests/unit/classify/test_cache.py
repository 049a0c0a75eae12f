from collections.abc import Callable
from dataclasses import replace

from tests.unit.classify.detectors import Keys

from transire.classify.cache import FindingsCache
from transire.classify.recognizer import Hit
from transire.classify.scan import Scan

CLEAN = Scan((), ())
HIT = Scan((Hit(0, 3, "EMAIL_ADDRESS", 100),), ())


def cache_of(
    detector: str = "d1",
    *,
    max_weight: int = 100,
    monotonic: Callable[[], float] = lambda: 0.0,
) -> FindingsCache:
    return FindingsCache(Keys(), detector, monotonic, max_weight=max_weight)


def test_findings_are_remembered_by_text() -> None:
    cache = cache_of()
    cache.put(cache.key("acme", "desk", "text"), HIT)

    assert cache.get(cache.key("acme", "desk", "text")) == HIT
    assert cache.get(cache.key("acme", "desk", "other")) is None


def test_no_tenant_application_or_detector_shares_an_entry_with_another() -> None:
    keys = {
        cache_of().key("acme", "desk", "text"),
        cache_of().key("acme", "shop", "text"),
        cache_of().key("other", "desk", "text"),
        cache_of("d2").key("acme", "desk", "text"),
        cache_of().key("acmed", "esk", "text"),
        cache_of().key("acme", "des", "ktext"),
    }

    assert len(keys) == 6


def test_a_lone_surrogate_has_a_key_of_its_own() -> None:
    assert cache_of().key("a", "b", "\ud800") != cache_of().key("a", "b", "\ud801")


def test_what_a_weaker_model_read_is_remembered_as_such_and_for_a_minute_only() -> None:
    now = [0.0]
    cache = cache_of(monotonic=lambda: now[0])
    reduced = replace(HIT, reduced=("PERSON",))
    keys = [cache.key("acme", "desk", text) for text in ("whole", "reduced")]
    cache.put(keys[0], HIT)
    cache.put(keys[1], reduced)

    now[0] = 60.0
    soon = [cache.get(key) for key in keys]
    now[0] = 60.5
    later = [cache.get(key) for key in keys]

    assert soon == [HIT, reduced]
    assert later == [HIT, None]
    assert len(cache) == 1


def test_a_failed_scan_is_not_remembered() -> None:
    cache = cache_of()
    cache.put(b"k", Scan((), ("EMAIL_ADDRESS",)))

    assert cache.get(b"k") is None


def test_the_least_recently_used_entry_goes_first() -> None:
    cache = cache_of(max_weight=2)
    cache.put(b"1", CLEAN)
    cache.put(b"2", CLEAN)
    cache.get(b"1")
    cache.put(b"3", CLEAN)

    assert [key for key in (b"1", b"2", b"3") if cache.get(key)] == [b"1", b"3"]


def test_hits_weigh_too_so_that_memory_is_bounded() -> None:
    cache = cache_of(max_weight=4)
    for n in range(10):
        cache.put(bytes([n]), HIT)

    assert len(cache) == 2


def test_what_is_heavier_than_the_whole_cache_is_not_kept_and_evicts_nothing() -> None:
    cache = cache_of(max_weight=2)
    cache.put(b"1", CLEAN)
    cache.put(b"2", Scan(HIT.hits * 5, ()))

    assert len(cache) == 1


def test_no_text_is_held() -> None:
    cache = cache_of()
    cache.put(cache.key("acme", "desk", "canary-7f3a"), CLEAN)

    assert "canary-7f3a" not in repr(vars(cache))
