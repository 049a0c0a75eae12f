"""Names that stand where names stand: after a title, in a greeting, under a closing, in a field.

Rules beside the models, which know little of ten languages' manners: a capital letter in a place
that is made for a name. Words that are nobody (`Dear Customer`, `Hi all`) are listed. Linear.
"""

from collections.abc import Iterator
from typing import Final

import regex

from transire.classify.names.chain import Deadline
from transire.classify.names.spans import PERSON, is_excused
from transire.classify.recognizer import FORMS, Hit
from transire.classify.scan import MAX_HITS, Scan

__all__ = ["FormReader"]

_SCORE_PCT: Final = 75
_WORD: Final = r"\p{Lu}(?:[\p{L}\p{M}]|['’-](?=\p{L})){0,40}+(?![\p{L}\p{M}\d_@])"
_NAME: Final = (
    rf"(?:{_WORD}|\p{{Lu}}\.)"
    rf"(?:[ \t](?:{_WORD}|\p{{Lu}}\.|(?:von|van|der|den|de|da|di|del|della|dos|du|la|le|bin|al)"
    rf"(?=[ \t]))){{0,4}}+"
)
_TITLE: Final = (
    r"(?:Mrs?|Ms|Dr|Prof|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Señora?|Sra?|Signora?|Sig|Dott"
    r"|Dhr|Mevr|Meneer|Mevrouw|Pani|Pana|Senhora?|Fru)"
)
_TITLED: Final = regex.compile(rf"(?<![\w@]){_TITLE}\.?[ \t](?P<name>{_NAME})")
_GREETING: Final = regex.compile(
    r"(?m)^[ \t>]*+(?i:dear|hello|hi|hey|good (?:morning|afternoon|evening)|hallo|moin|liebe[r]?"
    r"|guten (?:tag|morgen|abend)|sehr geehrte[r]?|bonjour|bonsoir|salut|ch[eè]re?|hola"
    r"|estimad[oa]|querid[oa]|buenos días|buongiorno|buonasera|ciao|gentile|car[oa]|beste|geachte"
    r"|dag|cześć|dzień dobry|witam|szanown[yai]|olá|oi|bom dia|boa tarde|prezad[oa]|hej|hejsan"
    r"|god morgon|hei|moi|ahoj|dobrý den|merhaba|selam|sayın)[ \t]"
    rf"(?:{_TITLE}\.?[ \t])?(?P<name>{_NAME})(?=[ \t]*+(?:[,!;:.]|$))"
)
_CLOSING: Final = regex.compile(
    r"(?m)^[ \t>]*+(?i:(?:kind|best|warm) (?:regards|wishes)|regards|many thanks|thanks|thank you"
    r"|cheers|yours (?:sincerely|faithfully|truly)|sincerely"
    r"|mit (?:freundlichen|besten) grü(?:ß|ss)en|(?:viele|freundliche|beste|liebe) grü(?:ß|ss)e"
    r"|mfg|vg|lg|(?:bien )?cordialement|bien à vous|un (?:cordial )?saludo|saludos|atentamente"
    r"|(?:cordiali|distinti) saluti|saluti|met vriendelijke groet(?:en)?|groeten|groetjes"
    r"|z poważaniem|pozdrawiam|z pozdrowieniami|atenciosamente|(?:com os melhores )?cumprimentos"
    r"|abraços?|med vänliga? hälsning(?:ar)?|vänliga hälsningar|mvh|(?:med )?venlig hilsen"
    r"|ystävällisin terveisin|terveisin|s pozdravem|saygılarımla|saygılar|sevgiler)"
    rf"[ \t]*+[,.!]?[ \t]*+(?:\r?\n[ \t>]*+){{1,3}}+(?P<name>{_NAME})[ \t]*+(?=[,\r\n]|\Z)"
)
_KEY: Final = (
    r"(?i:(?:first|last|full|given|family|middle|maiden|patient|customer|contact|employee)"
    r"[ _-]?name|surname|vorname|nachname|prénom|prenom|apellidos?|cognome|voornaam|achternaam"
    r"|imię|imie|nazwisko|förnamn|efternamn|soyad[ıi]?)"
)
_FIELD: Final = regex.compile(
    rf"(?<![\p{{L}}\d]){_KEY}[\"']?[ \t]*+[:=][ \t]*+[\"']?(?P<name>{_NAME})"
    r"(?=[ \t]*+(?:[\"',;}<\r\n]|\Z))"
)
_HEADER: Final = regex.compile(rf"[\"']?{_KEY}[\"']?")
_CELL: Final = regex.compile(rf"[ \t]*+[\"']?(?P<name>{_NAME})[\"']?[ \t]*+")
_SEPARATORS: Final = ",;\t|"
_NOBODY: Final = frozenset(
    word
    for line in (
        "world team all everyone everybody there sir madam customer customers colleague",
        "colleagues friend friends folks guys support service care sales office department",
        "assistant user users chatgpt gpt copilot bot santa diary god regards thanks cheers",
        "null none true false unknown test monday tuesday wednesday thursday friday zusammen",
        "leute kollegen kollegin kunde kunden damen herren herr frau tous toutes équipe",
        "monsieur madame equipo todas señores tutti tutte signori allemaal iedereen collega",
        "wszyscy wszystkim państwo państwa pessoal todos equipe alla kollegor herkese",
        "arkadaşlar",
    )
    for word in line.split()
)
"""Whom greetings and fields name and who is no person; in lower case."""


class FormReader:
    """Implements `chain.Reading` by rules alone."""

    digest = "forms"
    """The rules are code, which names the detector already."""

    def read(self, text: str, handover: float, deadline: Deadline) -> Scan:  # noqa: ARG002 - rules
        """See `chain.Reading`."""
        hits: set[Hit] = set()
        for pattern in (_TITLED, _GREETING, _CLOSING, _FIELD):
            deadline.check()
            hits.update(_hits(text, (m.span("name") for m in pattern.finditer(text))))
        deadline.check()
        hits.update(_hits(text, _columns(text)))
        if len(hits) > MAX_HITS:
            raise OverflowError
        return Scan(tuple(sorted(hits, key=lambda hit: (hit.start, hit.end))), ())


def _hits(text: str, spans: Iterator[tuple[int, int]]) -> Iterator[Hit]:
    for start, end in spans:
        hit = Hit(start, end, PERSON, _SCORE_PCT, by=FORMS)
        if _NOBODY.isdisjoint(text[start:end].lower().split()) and not is_excused(text, hit):
            yield hit


def _columns(text: str) -> Iterator[tuple[int, int]]:
    """Cells below a heading that says it holds names, until a line has too few cells."""
    wanted, separator, at = list[int](), "", 0
    for line in text.splitlines(keepends=True):
        cells = line.rstrip("\r\n").split(separator) if separator else []
        if len(cells) <= max(wanted, default=0):
            wanted, separator = _heading(line)
        else:
            starts = [at]
            for cell in cells:
                starts.append(starts[-1] + len(cell) + 1)
            for column in wanted:
                match = _CELL.fullmatch(cells[column])
                if match is not None:
                    yield starts[column] + match.start("name"), starts[column] + match.end("name")
        at += len(line)


def _heading(line: str) -> tuple[list[int], str]:
    separator = max(_SEPARATORS, key=line.count)
    cells = line.split(separator)
    wanted = [i for i, cell in enumerate(cells) if _HEADER.fullmatch(cell.strip()) is not None]
    return (wanted, separator) if wanted and len(cells) > 1 else ([], "")
