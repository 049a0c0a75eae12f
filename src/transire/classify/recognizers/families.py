"""Tokens whose issuer gave them a prefix or a shape of their own, so that leaks can be told.

One recognizer for all: a text is asked for each family's literal, and only the patterns of those
that stand there are run. Shapes follow the issuers' documentation and the tokens they publish as
examples. `classify.secret` has the oldest families.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Hit, Recognizer, pattern_recognizer
from transire.classify.traits import Traits

__all__ = ["family_recognizers"]

_EDGE: Final = r"(?<![A-Za-z0-9_])"
_END: Final = r"(?![A-Za-z0-9])"
_TAIL: Final = 16
_VARIETY: Final = 6
"""Distinct characters in the last sixteen below which a token is an example (`…xxxxxxxxxxxx`)."""
_LEAST_CHARS: Final = 20

_FAMILIES: Final = (
    # Clouds and their consoles.
    ("A3T", r"A3T[A-Z0-9][A-Z0-9]{16}"),
    ("ABSK", r"ABSK[A-Za-z0-9+/]{60,}={0,2}"),
    ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    ("1//0", r"1//0[A-Za-z0-9_-]{40,}"),
    (":APA91b", r"[A-Za-z0-9_-]{8,24}:APA91b[A-Za-z0-9_-]{100,}"),
    ("SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/=]{40,}"),
    ("sig=", r"sig=(?=[^\s&]*%)[A-Za-z0-9%+/]{40,}={0,2}"),
    ("Q~", r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    ("LTAI", r"LTAI(?=[A-Za-z]*\d)[A-Za-z0-9]{12,20}"),
    ("AKID", r"AKID(?=[A-Za-z]*\d)[A-Za-z0-9]{28,40}"),
    ("AQVN", r"AQVN[A-Za-z0-9_-]{35,38}"),
    ("v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}"),
    ("_v1_", r"do[or]_v1_[a-f0-9]{64}"),
    ("dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("hv", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    (".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    ("HRKU-", r"HRKU-[A-Za-z0-9_-]{36,}"),
    ("fm", r"fm[12][a-z]?_[A-Za-z0-9+/=_-]{60,}"),
    ("fo1_", r"fo1_[A-Za-z0-9_-]{43}"),
    ("nfp_", r"nfp_[A-Za-z0-9]{36,}"),
    ("rnd_", r"rnd_(?=[A-Za-z]*\d)[A-Za-z0-9]{28,}"),
    ("vercel_blob_rw_", r"vercel_blob_rw_[A-Za-z0-9_]{30,}"),
    ("ocid1.", r"ocid1\.credential\.[a-z0-9.-]{40,}"),
    # Code, builds and packages.
    ("gl", r"gl(?:ptt|dt|rt|rtr|soat|cbt|ft|imt|agent|ffct)-[A-Za-z0-9_.=-]{20,}"),
    ("GR1348941", r"GR1348941[A-Za-z0-9_-]{20,}"),
    ("ATATT3", r"ATATT3[A-Za-z0-9_=-]{60,}"),
    ("ATCTT3", r"ATCTT3[A-Za-z0-9_=-]{60,}"),
    ("ATBB", r"ATBB[A-Za-z0-9]{28,}"),
    ("dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    ("rubygems_", r"rubygems_[a-f0-9]{48}"),
    ("oy2", r"oy2[a-z0-9]{43}"),
    ("cio", r"cio(?=[A-Za-z]*\d)[A-Za-z0-9]{32}"),
    ("CLOJARS_", r"CLOJARS_[a-f0-9]{60}"),
    ("AKCp", r"AKCp[A-Za-z0-9]{60,}"),
    ("cmVmdGtu", r"cmVmdGtu[A-Za-z0-9]{56}"),
    ("CCIPAT_", r"CCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    ("bkua_", r"bkua_[a-f0-9]{40}"),
    ("pul-", r"pul-[a-f0-9]{40}"),
    ("sq", r"sq[upa]_[a-f0-9]{40}"),
    ("sgp_", r"sgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}"),
    ("API-", r"API-[A-Z0-9]{26}"),
    ("pn", r"pn[ub]_[A-Za-z0-9]{36}"),
    # Models and what stands around them.
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    ("r8_", r"r8_[A-Za-z0-9]{37,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    ("xai-", r"xai-[A-Za-z0-9]{60,}"),
    ("nvapi-", r"nvapi-[A-Za-z0-9_-]{60,}"),
    ("csk-", r"csk-[a-z0-9]{40,}"),
    ("sk_", r"sk_[a-f0-9]{48}"),
    ("lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("tvly-", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{30,}"),
    ("pcsk_", r"pcsk_[A-Za-z0-9_]{50,}"),
    ("e2b_", r"e2b_[a-f0-9]{40}"),
    # Watching and storing.
    ("glc_", r"glc_[A-Za-z0-9+/]{32,}={0,3}"),
    ("glsa_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    ("NR", r"NR(?:AK|II|BR|RA|AL)-[A-Za-z0-9_-]{27,}"),
    ("NRJS-", r"NRJS-[a-f0-9]{19}"),
    ("dt0", r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("sntry", r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    ("pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9._=-]{32,64}"),
    ("sbp_", r"sbp_[a-f0-9]{40}"),
    ("sb_secret_", r"sb_secret_[A-Za-z0-9_-]{20,}"),
    ("dp.", r"dp\.(?:pt|ct|sa|scim|audit|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,44}"),
    ("sl.", r"sl\.(?:u\.)?[A-Za-z0-9_-]{130,}"),
    ("CFPAT-", r"CFPAT-[A-Za-z0-9_-]{43}"),
    ("pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("ops_eyJ", r"ops_eyJ[A-Za-z0-9+/_-]{100,}={0,2}"),
    ("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("tskey-", r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{6,}-[A-Za-z0-9]{16,}"),
    # Messages.
    ("xapp-", r"xapp-\d-[A-Z0-9]{6,}-\d{6,}-[a-f0-9]{32,}"),
    ("hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{36,}"),
    ("/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,}"),
    ("webhook.office.com/", r"[\w-]+\.webhook\.office\.com/webhookb2/[\w@-]{36,}/\w+/[\w/-]{32,}"),
    (":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("-us", r"[0-9a-f]{32}-us\d{1,2}"),
    ("key-", r"key-[0-9a-f]{32}"),
    ("sib-", r"(?:xkey|xsmtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("pat-", r"pat-[a-z]{2}\d-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    ("secret_", r"secret_(?=[A-Za-z]*\d)[A-Za-z0-9]{43}"),
    ("lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    ("fig", r"fig[dour]_[A-Za-z0-9_-]{36,}"),
    ("PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("tfp_", r"tfp_[A-Za-z0-9_.=-]{50,}"),
    ("oauth:", r"oauth:[a-z0-9]{30}"),
    ("rdme_", r"rdme_[a-z0-9]{70}"),
    ("p8e-", r"p8e-[a-z0-9]{32}"),
    # Money and goods.
    ("_prod_", r"[sr]k_prod_[A-Za-z0-9]{16,}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/]{24,}={0,2}"),
    ("sq0", r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,43}"),
    ("EAAA", r"EAAA[A-Za-z0-9_-]{60}"),
    ("EAACEdEose0cBA", r"EAACEdEose0cBA[A-Za-z0-9]{20,}"),
    ("access_token$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    ("rzp_", r"rzp_(?:live|test)_[A-Za-z0-9]{14,}"),
    ("EZ", r"EZ[AT]K[A-Za-z0-9]{54}"),
    ("duffel_", r"duffel_(?:test|live)_[A-Za-z0-9_-]{43}"),
    ("FLWSECK", r"FLWSECK(?:_TEST)?-[a-z0-9]{12,40}(?:-X)?"),
    ("shippo_", r"shippo_(?:live|test)_[a-f0-9]{40}"),
    ("access-", r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-\w{12}"),
)
"""What stands in every token of a family, and its shape."""


class _Family(NamedTuple):
    literal: str
    pattern: regex.Pattern[str]


def family_recognizers() -> list[Recognizer]:
    """All of them: tokens by their prefixes, bots' tokens, and what an authorization header bears.

    Their findings are SECRET, PRIVATE_KEY and PASSWORD.
    """
    compiled = [
        _Family(literal, regex.compile(f"{_EDGE}{shape}{_END}")) for literal, shape in _FAMILIES
    ]
    return [_prefixed(compiled), _bot(), *_authorization(), _putty(), _netrc()]


def _prefixed(families: list[_Family]) -> Recognizer:
    literals = tuple(dict.fromkeys(family.literal for family in families))

    def check(traits: Traits) -> bool:
        text = traits.text
        return any(literal in text for literal in literals)

    def find(text: str, seconds: float) -> Iterator[Hit]:
        for literal, pattern in families:
            if literal not in text:
                continue
            for match in pattern.finditer(text, timeout=seconds):
                if _has_variety(match.group()):
                    yield Hit(match.start(), match.end(), "SECRET", 100)

    return Recognizer("SECRET", Gate(longest=_LEAST_CHARS, check=check), find)


def _has_variety(token: str) -> bool:
    return len(set(token[-_TAIL:])) >= _VARIETY


def _bot() -> Recognizer:
    """Discord's: the bot's number in base64, a time, a signature."""
    return pattern_recognizer(
        "SECRET",
        Gate(longest=58, check=lambda t: t.text.count(".") >= 2),
        [(rf"{_EDGE}[MNO][A-Za-z0-9_-]{{22,27}}\.[A-Za-z0-9_-]{{6}}\.[\w-]{{27,40}}{_END}", 90)],
        validate=_is_of_a_bot,
    )


def _is_of_a_bot(token: str) -> bool | None:
    number = token.split(".", 1)[0]
    try:
        decoded = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
    except (ValueError, binascii.Error):
        return False
    return None if decoded.isdigit() else False


def _authorization() -> list[Recognizer]:
    """RFC 6750 §2.1 and RFC 7617 §2: what a machine writes after the scheme."""
    return [
        pattern_recognizer(
            "SECRET",
            Gate(longest=20, words=frozenset({"bearer"})),
            [
                (
                    r"(?i)\bbearer\s{1,3}(?P<v>(?=[^\s'\"]*\d)(?=[^\s'\"]*[A-Za-z])"
                    r"[A-Za-z0-9._~+/-]{20,}={0,2})",
                    80,
                )
            ],
            validate=_unless_plain,
        ),
        pattern_recognizer(
            "PASSWORD",
            Gate(words=frozenset({"authorization"})),
            [(r"(?i)authorization['\"]?\s*[:=]\s*['\"]?basic\s(?P<v>[A-Za-z0-9+/]{8,}={0,2})", 80)],
            validate=_names_somebody,
        ),
    ]


def _unless_plain(token: str) -> bool | None:
    return None if _has_variety(token) else False


def _names_somebody(encoded: str) -> bool | None:
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    except (ValueError, binascii.Error):
        return False
    return None if b":" in decoded else False


def _putty() -> Recognizer:
    return pattern_recognizer(
        "PRIVATE_KEY",
        Gate(longest=20, check=lambda t: "PuTTY-User-Key-File-" in t.text),
        [(r"PuTTY-User-Key-File-\d", 100)],
    )


def _netrc() -> Recognizer:
    return pattern_recognizer(
        "PASSWORD",
        Gate(words=frozenset({"login"}), check=_says("password")),
        [(r"\blogin\s+\S{1,128}\s+password\s+(?P<v>(?=\S*[\d!@#$%^&*])\S{6,128})", 80)],
    )


def _says(word: str) -> Callable[[Traits], bool]:
    return lambda traits: word in traits.text
