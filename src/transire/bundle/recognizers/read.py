"""`recognizers.yaml` as a pack, or every located reason why not.

Refused are: what the shapes refuse; an entity that the taxonomy maps to no class (its findings
would be dropped without a word); a pattern without a bound; a recognizer that misses its own
example; a language that nobody is told apart by.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from transire.bundle.recognizers.documents import (
    DocumentsDocument,
    PatternDocument,
    RecognizersDocument,
)
from transire.bundle.recognizers.matchers import Allowed, Matcher, matchers
from transire.bundle.recognizers.safety import UnsafePatternError, shape_of
from transire.bundle.recognizers.terms import MAX_TERM_TOKENS, spelling
from transire.bundle.yamlread import Document, parse_model, read_yaml
from transire.domain.pack import (
    NO_PACK,
    AllowList,
    Pack,
    PatternRule,
    RegisteredDocument,
    TermList,
)
from transire.domain.taxonomy import EntityRule
from transire.errors import BundleError

__all__ = ["FILE", "read_pack"]

FILE: Final = "recognizers.yaml"
_EXAMPLE_S: Final = 5.0
"""For one example of at most 2,000 characters: a bound, not an expectation."""


def read_pack(
    files: Mapping[str, bytes], entities: Mapping[str, EntityRule], languages: tuple[str, ...]
) -> Pack:
    """Read the optional file of recognizers.

    Args:
        entities: The taxonomy's entities: what findings may be called.
        languages: Languages that texts are judged among.

    Raises:
        BundleError: with every located problem.
    """
    if FILE not in files:
        return NO_PACK
    at, problems = read_yaml(FILE, files[FILE]), list[str]()
    document = parse_model(RecognizersDocument, at, problems)
    if document is None:
        raise BundleError(problems)
    problems += [*_unmapped(at, document, entities), *_unsafe(at, document, languages)]
    problems += [*_terms(at, document), *_short(at, document.documents)]
    _refuse(problems)
    pack = _pack(document, hashlib.sha256(files[FILE]).hexdigest(), languages)
    _refuse(_missed(at, pack, entities))
    return pack


def _refuse(problems: Iterable[str]) -> None:
    if told := list(problems):
        raise BundleError(told)


def _unmapped(
    at: Document, document: RecognizersDocument, entities: Mapping[str, EntityRule]
) -> Iterable[str]:
    named: list[tuple[tuple[str | int, ...], str]] = [
        *((("patterns", n, "entity"), p.entity) for n, p in document.patterns.items()),
        *((("terms", n, "entity"), t.entity) for n, t in document.terms.items()),
    ]
    if document.documents is not None:
        named += [
            (("documents", "registered", n, "entity"), d.entity)
            for n, d in document.documents.registered.items()
        ]
    named += [
        (("allow", n, "entities", i), e)
        for n, a in document.allow.items()
        for i, e in enumerate(a.entities)
    ]
    for path, entity in named:
        if entity not in entities:
            yield (
                f"{at.where(path)}: `{entity}` has no class; "
                f"add `{entity}: {{class: …}}` to `entities` in taxonomy.yaml"
            )


def _unsafe(
    at: Document, document: RecognizersDocument, languages: tuple[str, ...]
) -> Iterable[str]:
    for name, pattern in document.patterns.items():
        where = at.where(("patterns", name, "regex"))
        try:
            shape = shape_of(pattern.regex)
        except UnsafePatternError as error:
            yield f"{where}: `{name}`: this pattern may not run: {error}"
            continue
        if not (shape.literal or pattern.context or pattern.validator):
            yield (
                f"{where}: `{name}`: this pattern holds no fixed text and would match anything of "
                "its shape; give it a literal, `context` words or a `validator`"
            )
        for language in sorted({*pattern.languages} - {*languages}):
            yield (
                f"{at.where(('patterns', name, 'languages'))}: `{name}`: nothing tells `{language}`"
                " apart; add it to `detector.languages` in taxonomy.yaml"
            )


def _terms(at: Document, document: RecognizersDocument) -> Iterable[str]:
    lists = [(("terms", name, "terms"), rule.terms) for name, rule in document.terms.items()]
    lists += [(("allow", name, "terms"), rule.terms) for name, rule in document.allow.items()]
    for path, terms in lists:
        for index, term in enumerate(terms):
            if not 1 <= len(spelling(term)) <= MAX_TERM_TOKENS:
                yield (
                    f"{at.where((*path, index))}: `{path[1]}`: term {index + 1} has no word or more"
                    f" than {MAX_TERM_TOKENS} words and signs; shorten it"
                )


def _short(at: Document, document: DocumentsDocument | None) -> Iterable[str]:
    for name, known in document.registered.items() if document is not None else ():
        if len({*known.digests}) < known.min_matches:
            yield (
                f"{at.where(('documents', 'registered', name))}: `{name}` has fewer digests than "
                "`min_matches` and could never be found; lower `min_matches`"
            )


def _pack(document: RecognizersDocument, digest: str, languages: tuple[str, ...]) -> Pack:
    known = document.documents
    return Pack(
        digest=digest,
        patterns=tuple(_pattern(name, p) for name, p in document.patterns.items()),
        terms=tuple(
            TermList(
                name=name,
                entity=t.entity,
                score_pct=t.score_pct,
                terms=tuple(t.terms),
                match_case=t.match_case,
                examples=tuple(t.examples),
                is_message_level=t.message_level,
            )
            for name, t in document.terms.items()
        ),
        documents=tuple(
            RegisteredDocument(
                name=name,
                entity=d.entity,
                min_matches=d.min_matches,
                digests=frozenset(map(bytes.fromhex, d.digests)),
            )
            for name, d in (known.registered.items() if known else ())
        ),
        allow=tuple(
            AllowList(name=name, entities=frozenset(a.entities), terms=frozenset(a.terms))
            for name, a in document.allow.items()
        ),
        languages=languages,
        salt=bytes.fromhex(known.salt) if known else b"",
        words=known.words if known else 0,
    )


def _pattern(name: str, p: PatternDocument) -> PatternRule:
    return PatternRule(
        name=name,
        entity=p.entity,
        regex=p.regex,
        score_pct=p.score_pct,
        ignore_case=p.ignore_case,
        context=frozenset(p.context),
        validator=p.validator or "",
        languages=frozenset(p.languages),
        examples=tuple(p.examples),
        is_message_level=p.message_level,
    )


def _missed(at: Document, pack: Pack, entities: Mapping[str, EntityRule]) -> Iterable[str]:
    """Recognizers that miss one of their own examples, at the taxonomy's score, allow-lists on."""
    allowed = Allowed(pack)
    kinds = [
        *(("patterns", r.name) for r in pack.patterns),
        *(("terms", r.name) for r in pack.terms),
        *(("documents", "registered", r.name) for r in pack.documents),
    ]
    for path, matcher in zip(kinds, matchers(pack), strict=True):
        least = entities[matcher.entity].min_score_pct
        for index, text in enumerate(matcher.examples):
            if not _finds(matcher, text, least, allowed):
                yield (
                    f"{at.where((*path, 'examples', index))}: `{matcher.name}` does not find its "
                    f"own example {index + 1} as `{matcher.entity}` at {least} % or more; mend the "
                    "recognizer, its score, the allow-list or the example"
                )


def _finds(matcher: Matcher, text: str, least: int, allowed: Allowed) -> bool:
    try:
        found = matcher.scores(text, _EXAMPLE_S)
    except TimeoutError:
        return False
    return any(
        score >= least and not allowed.holds(matcher.entity, text[start:end])
        for start, end, score in found
    )
