"""`transire detect feedback`: false findings and misses, as a list that authors of policies review.

Needs neither server nor credential. What is kept, and where: `workbench.feedback.store`.
"""

import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from transire import __version__
from transire.cli.labelled import bytes_of, text_of
from transire.cli.reader import BundleReader
from transire.cli.session import emit, shown
from transire.errors import RequestError
from transire.workbench.feedback.claims import Said, claim_of, false_ones, misses
from transire.workbench.feedback.mark import KeptText, Mark
from transire.workbench.feedback.store import FeedbackStore
from transire.workbench.feedback.summary import grouped, labelled_texts
from transire.workbench.measure import labelled

__all__ = ["add", "app", "export", "listed", "show"]

app = typer.Typer(help="False findings and misses, as a list to review.", no_args_is_help=True)

Store = Annotated[
    Path,
    typer.Option("--store", envvar="TRANSIRE_FEEDBACK", help="The folder that keeps the list."),
]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")]
_FOLDER: Final = Path("feedback")
_MOST_NAME_CHARS: Final = 64
_MOST_NOTE_CHARS: Final = 500


@app.command()
@shown
def add(
    file: Annotated[str, typer.Argument(help="The text that was scanned, or - for stdin.")],
    false: Annotated[
        list[str] | None,
        typer.Option("--false", help="A false finding, as START:END or START:END:ENTITY."),
    ] = None,
    missed: Annotated[
        list[str] | None, typer.Option("--missed", help="A missed span, as START:END:ENTITY.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Why; without the value itself.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who says so; default: you.")] = None,
    keep_content: Annotated[
        bool, typer.Option("--keep-content", help="Keep the whole text, too, in clear.")
    ] = False,
    policies: Annotated[
        Path | None, typer.Option("--policies", help="Default: the starter pack.")
    ] = None,
    store: Store = _FOLDER,
) -> None:
    """Mark findings of a text as false, or spans as missed; the text is not kept by default."""
    if not false and not missed:
        raise RequestError("say what is wrong, with `--false` or `--missed`")
    text = text_of(bytes_of(file), f"`{file}`")
    wrong = [claim_of("--false", given, len(text)) for given in false or ()]
    lacking = [claim_of("--missed", given, len(text), needs_entity=True) for given in missed or ()]
    if by is not None and (not by.isprintable() or not 0 < len(by) <= _MOST_NAME_CHARS):
        raise RequestError(f"`--by` is a name of at most {_MOST_NAME_CHARS} characters")
    _check_note(note, [text[claim.start : claim.end] for claim in (*wrong, *lacking)])
    with closing(BundleReader(policies)) as reader:
        told = reader.read(text)
        said = false_ones(wrong, told["findings"])
        if lacking:
            failed = [n for n, rule in reader.rules.items() if rule.data_class in told["failed"]]
            said += misses(lacking, told["findings"], reader.read_all(text)["findings"], failed)
    kept = FeedbackStore(store)
    marks = _marks(said, text, reader, kept.digest, by or getpass.getuser(), note)
    whole = _kept_text(text, told, kept.digest) if keep_content else None
    new = kept.add(marks, whole)
    for mark in marks:
        place = f"{mark.entity} at {mark.start}:{mark.end}"
        print(f"{mark.id}: {place} is {mark.kind}" if mark in new else f"{place}: known already")
    if keep_content:
        print(
            f"the text is in {kept.content_file}, in clear; delete that file to forget it",
            file=sys.stderr,
        )


@app.command("list")
@shown
def listed(
    entity: Annotated[str | None, typer.Option("--entity", help="Only this entity.")] = None,
    kind: Annotated[
        Literal["false", "missed"] | None, typer.Option("--kind", help="false or missed.")
    ] = None,
    form: Form = "text",
    store: Store = _FOLDER,
) -> None:
    """What was marked, by entity with counts; below each line the ids, newest last."""
    wanted = None if entity is None else labelled(entity)
    marks = [
        mark
        for mark in FeedbackStore(store).marks()
        if wanted in (None, mark.entity) and kind in (None, mark.kind)
    ]
    groups = grouped(marks)
    if form == "json":
        emit(
            [
                {
                    "entity": group.entity,
                    "kind": group.kind,
                    "count": len(group.marks),
                    "values": group.values,
                    "scores_pct": {str(score): n for score, n in group.scores_pct.items()},
                    "by": group.by,
                    "marks": [mark.model_dump(mode="json") for mark in group.marks],
                }
                for group in groups
            ]
        )
        return
    for group in groups:
        print(group.told())
        for mark in group.marks:
            note = f": {mark.note}" if mark.note else ""
            print(f"  {mark.id}  {mark.when:%Y-%m-%d}  {mark.who}{note}")
    if not groups:
        print(f"nothing is marked in {store}")


@app.command()
@shown
def show(
    mark_id: Annotated[str, typer.Argument(help="An id, `fb_…`.")],
    content: Annotated[
        bool, typer.Option("--content", help="Show the value, where its text was kept.")
    ] = False,
    store: Store = _FOLDER,
) -> None:
    """One remark, with everything that is kept of it, and how often its value recurs."""
    kept = FeedbackStore(store)
    marks = kept.marks()
    mark = next((m for m in marks if m.id == mark_id), None)
    if mark is None:
        raise RequestError(f"there is no such remark in `{store}`")
    same = [m for m in marks if (m.span_digest, m.entity) == (mark.span_digest, mark.entity)]
    told = {**mark.model_dump(mode="json"), "length": mark.chars, "same_value": len(same)}
    if content:
        text = next((t for t in kept.texts() if t.text_digest == mark.text_digest), None)
        if text is None:
            raise RequestError("the text of this remark was not kept")
        told["content"] = text.text[mark.start : mark.end]
    emit(told)


@app.command()
@shown
def export(
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file, mode 0600; default stdout.")
    ] = None,
    store: Store = _FOLDER,
) -> None:
    """Kept texts as lines `{text, spans}` for `detect evaluate` and `tune`; they are content."""
    kept = FeedbackStore(store)
    marks, texts = kept.marks(), kept.texts()
    rows = labelled_texts(texts, marks)
    if not rows:
        raise RequestError("no text was kept; `add --keep-content` keeps one")
    lines = [json.dumps({"text": t, "spans": spans}, ensure_ascii=False) for t, spans in rows]
    known = {text.text_digest for text in texts}
    without = sum(mark.text_digest not in known for mark in marks)
    print(f"{len(rows)} texts; {without} remarks have no text", file=sys.stderr)
    if out is None:
        print("\n".join(lines))
        return
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as made:
        made.write("\n".join(lines) + "\n")


def _check_note(note: str, values: Sequence[str]) -> None:
    if len(note) > _MOST_NOTE_CHARS or not note.isprintable():
        raise RequestError(f"`--note` is one line of at most {_MOST_NOTE_CHARS} characters")
    if any(value.strip() and value.strip().lower() in note.lower() for value in values):
        raise RequestError("`--note` repeats the value, which is not kept; say it without")


def _marks(
    said: Sequence[Said],
    text: str,
    reader: BundleReader,
    digest: Callable[[str, str], str],
    who: str,
    note: str,
) -> list[Mark]:
    rules, when = reader.rules, datetime.now(UTC).replace(microsecond=0)
    for unknown in sorted({one.entity for one in said} - rules.keys()):
        print(f"the taxonomy has no `{unknown}`: nobody looks for it", file=sys.stderr)
    return [
        Mark(
            id=f"fb_{os.urandom(6).hex()}",
            kind=one.kind,
            entity=one.entity,
            data_class=rules[one.entity].data_class if one.entity in rules else None,
            found=one.found,
            start=one.start,
            end=one.end,
            text_chars=len(text),
            span_digest=digest("span", text[one.start : one.end]),
            text_digest=digest("text", text),
            detector=reader.digest,
            version=__version__,
            who=who,
            when=when,
            note=note,
        )
        for one in said
    ]


def _kept_text(text: str, told: Mapping[str, Any], digest: Callable[[str, str], str]) -> KeptText:
    found = {(f["start"], f["end"], f["entity"]) for f in told["findings"]}
    return KeptText(text_digest=digest("text", text), text=text, found=tuple(sorted(found)))
