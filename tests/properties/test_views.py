"""Whatever is planted in any disguise, or in two, is found at a span that covers it; maps hold."""

import base64
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.gate import Panel
from transire.classify.recognizers import all_recognizers, select
from transire.classify.scan import run, scan_texts
from transire.classify.traits import traits_of
from transire.classify.views import TooDeepError, views_of

VALUES = {
    "EMAIL_ADDRESS": "bob.miller@acme-corp.com",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "SECRET": "ghp_" + "2E4Q7RT3XYZWUVKLh5jN8pQ0sV2xZ4bD6fG1",
}
ENCODERS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "url-safe base64": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "hex": lambda s: s.encode().hex(),
    "hex with blanks": lambda s: s.encode().hex(" "),
    "percent": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "percent, signs": lambda s: quote(s, safe=""),
    "html": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "html, hexadecimal": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "json": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "quoted-printable": lambda s: "".join(f"={byte:02X}" for byte in s.encode()),
    "zero width": "\u200b".join,
    "soft hyphen": "\u00ad".join,
    "full width": lambda s: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in s),
}
FEW = Panel(select(frozenset(VALUES)))
# No digits and none of `a` to `f`: beside hex with blanks, those are more of its bytes.
AROUND = st.text("xyz XYZ,.;!?éж你\n", max_size=30)
ANY = st.text(max_size=300) | st.text("%&\\=u0041;#xAF+/-_ \u200b４аe.@:\n", max_size=300)


@given(
    entity=st.sampled_from(sorted(VALUES)),
    inner=st.sampled_from(sorted(ENCODERS)),
    outer=st.sampled_from([None, *sorted(ENCODERS)]),
    before=AROUND,
    after=AROUND,
)
def test_a_planted_value_is_found_through_any_disguise_and_any_two(
    entity: str, inner: str, outer: str | None, before: str, after: str
) -> None:
    encoded = ENCODERS[inner](VALUES[entity])
    encoded = encoded if outer is None else ENCODERS[outer](encoded)
    text = f"{before} {encoded} {after}"
    low, high = len(before) + 1, len(before) + 1 + len(encoded)

    scan = run(text, time.monotonic() + 20, FEW)

    # The least that must go is what the value itself was written as; blobs go as a whole.
    places = [(hit.start, hit.end) for hit in scan.hits if hit.entity == entity]
    assert scan.failed == ()
    assert any(min(end, high) - max(start, low) >= len(encoded) - 1 for start, end in places)


@given(text=ANY)
def test_maps_lead_back_into_the_text_in_order_and_lose_nothing(text: str) -> None:
    try:
        views = list(views_of(traits_of(text)))
    except TooDeepError:
        return
    for view in views:
        spans = [view.source(at, at + 1) for at in range(len(view.text))]
        known = [span for span in spans if span is not None]
        assert all(0 <= start < end <= len(text) for start, end, _ in known)
        assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(known))


@given(text=ANY)
def test_no_text_raises(text: str) -> None:
    run(text, time.monotonic() + 20, FEW)


HOSTILE = {
    **{
        repr(p): p * (20_000 // len(p)) for p in ("%", "%25", "%2", "&", "&amp;", "&#", "\\", "\\u")
    },
    **{
        repr(p): p * (20_000 // len(p)) for p in ("=", "=\n", "=41", "= \n", "\\n1", "%41", "&#65;")
    },
    **{repr(p): p * (20_000 // len(p)) for p in ("\u200b", "４", "а1", "1\u0336", "-\u2013", "4 ")},
    **{repr(p): p * (20_000 // len(p)) for p in ("a at b ", "a (at) b.", "a dot b ", "6a ", "a.")},
    **{
        repr(p): p * (20_000 // len(p)) for p in ("YWJj", "YWJjZGVmZ2hp ", "YWJjZGVmZ2hp\n", "A/1_")
    },
    "lines of base64": ("QUJDREVG" * 9 + "\n") * 270,
    "lines of no base64": ("/9j/4AAQ" * 9 + "\n") * 270,
    "mixed": "%41&#65;\\u0041=41\u200bYWJjZGVmZ2hp 41 " * 400,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_disguises_without_end_are_read_in_bounded_time(name: str) -> None:
    """Linear: 20,000 characters cost at most what the dearest plain text may, and twice that."""
    text = HOSTILE[name][:20_000]
    entities = frozenset(recognizer.entity for recognizer in all_recognizers())

    assert any(_cpu_s(text, entities) <= 0.5 for _ in range(4))


def _cpu_s(text: str, entities: frozenset[str]) -> float:
    started = time.process_time()
    scan_texts([text], 20, entities)
    return time.process_time() - started
