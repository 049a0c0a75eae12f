"""Words of the trade that the models take for names: products, tools, languages, eponyms. Pure.

A finding is jargon only where every one of its words is on a list here, letter for letter in any
case, and nothing beside it speaks of a person: a title, a greeting, a closing, `my name is`, or a
capitalised word that could be the other half of a name. Words that many people are called (Travis,
Julia, Huffman) take more: a word of the trade must stand right beside them. Where in doubt it is a
name: a needless finding is an annoyance, and a missed one is somebody's name.
"""

import re
from typing import Final

__all__ = ["is_jargon"]


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLAIN: Final = _listed(
    """
    json jsonl xml yaml toml csv html css sql api sdk cli docker dockerfile kubernetes k8s kubectl
    helm terraform ansible circleci gitlab github bitbucket jira confluence slack gradle maven bazel
    webpack vite rollup eslint rbenv pacstrap alembic npm
    monad monads functor functors haskell erlang elixir scala kotlin golang typescript javascript
    python java fortran cobol lua zsh bash tmux vim emacs nano
    react angular vue svelte django flask fastapi laravel hibernate pydantic celery pytest
    kafka rabbitmq redis postgres postgresql mysql mariadb mongodb elasticsearch kibana grafana
    prometheus zipkin vault vagrant hadoop spark flink airflow presto trino pandas numpy scipy
    pytorch tensorflow keras jupyter matplotlib seaborn xgboost
    nginx tomcat caddy traefik envoy istio linkerd cilium calico flannel lambda fargate kinesis
    sagemaker s3 ec2 eks c4 rds iam linux debian ubuntu fedora gentoo selenium playwright puppeteer
    mocha jest cypress levenshtein boolean oauth kerberos okta auth0 splunk sentry datadog snowflake
    tableau looker cedar presidio claude gemini siri alexa bert gpt ci cd sphinx
    """
)
"""Hardly anybody is called so."""

_SHARED: Final = _listed(
    """
    travis jenkins swift rust perl ruby julia ada pascal dart ember ant babel cassandra jaeger
    consul nomad packer hive druid aurora athena arch nix bloom
    gauss fourier laplace euler bayes dijkstra huffman markov kalman monte carlo turing lagrange
    hilbert fibonacci bernoulli
    """
)
"""People are called so, too."""

_TRADE: Final = _listed(
    """
    actuator algorithm algorithms array broker bug build builds cache chain chains class cluster
    code coding compile compiler complete completeness config container database debugger decoding
    deployment developer developers dispatch distance distribution docs encoding equation equations
    error errors exception expansion filter filters filtering formula framework function functions
    gem gems image index inequality ingestion instance job jobs language library loop macro macros
    matrix method methods migration mode module modules multiplier multipliers notation number
    numbers operator package packages partition pipeline plugin process processes programming proxy
    queries query repl runtime script scripts sequence series server service space spaces string
    symbol syntax test tests theorem tracing transform transforms tree trees triangle tutorial type
    types version versions wiki worker workflow
    skript programm sprache fehler bibliothek datenbank algorithmus satz raum transformation
    """
)
"""Common words that stand beside a tool or an eponym and not beside somebody's name."""

_PERSONAL: Final = _listed(
    """
    mr mrs ms miss mx dr prof professor sir madam dame lord lady doctor nurse herr frau herrn hr fr
    monsieur madame mme señor señora sr sra signor signora
    dear hi hello hey liebe lieber hallo hola bonjour ciao
    regards sincerely thanks cheers grüße gruß yours best attn
    named am i'm name's heiße heisse
    brother sister mother father wife husband son daughter colleague friend boss patient customer
    """
)
"""Words before a name, in lower case."""

_ASSISTANTS: Final = _listed("claude gemini siri alexa gpt")
_CASUAL: Final = _listed("hi hello hey hallo hola bonjour ciao thanks cheers")
"""Said to assistants as well as to people."""
_LINKS: Final = frozenset({"and", "or", "vs", "versus", "und", "oder", "to", "than"})
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_BEFORE: Final = re.compile(r"([^\W_]+(?:['’][^\W_]+)?)([^\w]{0,3})\Z")
_AFTER: Final = re.compile(r"(?:['’]s)?([^\w]{0,3})([^\W_]+(?:['’][^\W_]+)?)")
_GAP: Final = r"(?:[ \t]{1,2}|[ \t]?/[ \t]?|-)"
"""No comma and no full stop: `Julia, Python developer` is somebody."""
_BESIDE_LEFT: Final = re.compile(rf"(?:([^\W_]+){_GAP})?([^\W_]+){_GAP}\Z")
_BESIDE_RIGHT: Final = re.compile(rf"(?:['’]s)?{_GAP}([^\W_]+)(?:{_GAP}([^\W_]+))?")
_NAME_IS: Final = re.compile(
    r"\b(?:name is|this is|name ist|ich bin|called me)\s*\Z", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"(?:\A|[.!?:;\n])[\s\"'(]*\Z")
_REACH: Final = 60
"""Characters on either side in which neighbours are looked for."""
_MAX_SPAN: Final = 60


def is_jargon(text: str, start: int, end: int) -> bool:
    """Whether a finding is a word of the trade and nobody's name. Constant time."""
    if end - start > _MAX_SPAN:
        return False
    words = _WORD.findall(text[start:end].lower())
    if not words or not all(word in _PLAIN or word in _SHARED for word in words):
        return False
    before, after = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    ignored = _CASUAL if _ASSISTANTS.issuperset(words) else frozenset[str]()
    if _is_somebody(before, after, _PERSONAL - ignored, is_first=start <= _REACH):
        return False
    if any(word in _PLAIN for word in words):
        return True
    return _is_of_the_trade(before, after)


def _is_somebody(before: str, after: str, personal: frozenset[str], *, is_first: bool) -> bool:
    """Whether what stands beside it speaks of a person."""
    if _NAME_IS.search(before):
        return True
    left, right = _BEFORE.search(before), _AFTER.match(after)
    if left is not None:
        word, gap = left[1], left[2]
        if word.lower() in personal:
            return True
        opens = _SENTENCE_END.search(before[: left.start()]) and (left.start() > 0 or is_first)
        if gap in (" ", "-", ". ") and not opens and _could_be_a_name(word):
            return True
    return right is not None and right[1] in (" ", "-") and _could_be_a_name(right[2])


def _could_be_a_name(word: str) -> bool:
    lower = word.lower().removesuffix("'s").removesuffix("’s")
    known = lower in _PLAIN or lower in _SHARED or lower in _TRADE
    return len(word) > 1 and word[0].isupper() and word[1:].islower() and not known


def _is_of_the_trade(before: str, after: str) -> bool:
    """Whether a word of the trade stands right beside it, or across a link such as `vs`."""
    left, right = _BESIDE_LEFT.search(before), _BESIDE_RIGHT.match(after)
    return (left is not None and _speaks(left[2], left[1])) or (
        right is not None and _speaks(right[1], right[2])
    )


def _speaks(near: str, far: str | None) -> bool:
    """Whether the next word, or the one across a link, is of the trade."""
    word = far if far is not None and near.lower() in _LINKS else near
    lower = word.lower()
    return lower in _TRADE or lower in _PLAIN or lower in _SHARED
