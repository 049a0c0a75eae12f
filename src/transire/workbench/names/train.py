"""The programme that makes the two embedded name models.

    python -m transire.workbench.names.train --base DIR --data DIR --out DIR

`--base` holds `model.safetensors` and `tokenizer.json` of sentence-transformers/all-MiniLM-L6-v2,
revision 1110a243 (Apache-2.0); their hashes are checked. `--data` holds `ner_train.jsonl.gz` and
`ner_train_de.jsonl.gz`. Out come `accurate.onnx`, `fast.onnx` and `tokenizer.json`.

The teacher is the whole encoder with its word embeddings frozen; the student is the teacher's
first two layers, learning from the teacher's own scores (Hinton et al., 2015) and the gold tags.
With `--hold-out` both learn without one row in twelve (`corpus.is_held_out`): siblings of the
embedded models, made to be measured on what they did not see, not to be used.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from transire.workbench.names.corpus import Row, framed, is_held_out, plain_rows, read_sources
from transire.workbench.names.examples import (
    TAGS,
    Example,
    batches,
    check_base,
    examples_of,
    padded,
    tokenizer,
)
from transire.workbench.names.export import export
from transire.workbench.names.learning import descend, gold_loss, tutored_loss
from transire.workbench.names.network import Shape, Tagger

__all__ = ["main"]

_MAX_TOKENS: Final = 96
_BATCH_TOKENS: Final = 1_100
_TEACHER_RATE, _HEAD_RATE, _STUDENT_RATE = 1e-4, 1e-3, 2e-4
_WARM_UP: Final = 0.1


def main() -> None:
    """Train, distil and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--student-epochs", type=float, default=3.0)
    parser.add_argument("--framed", type=int, default=4_000)
    parser.add_argument("--plain", type=int, default=1_500, help="biomedical rows without names")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hold-out", action="store_true", help="keep rows to measure on")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    check_base(given.base)
    splits = tokenizer(given.base, _MAX_TOKENS)
    rows = _rows(given.data, given.framed, given.plain, given.seed)
    if given.hold_out:
        rows = [row for row in rows if not is_held_out(row)]
    examples = examples_of(rows, splits)
    teacher = Tagger(Shape(tags=len(TAGS)))
    teacher.load_published(_weights(given.base))
    _fit(teacher, examples, given.epochs, given.seed, checkpoint=given.out / "teacher.pt")
    export(teacher, given.out / "accurate.onnx")
    student = Tagger(Shape(layers=2, tags=len(TAGS)))
    student.load_state_dict(_first_layers(teacher, 2))
    _fit(student, examples, given.student_epochs, given.seed, teacher=teacher)
    export(student, given.out / "fast.onnx")
    shutil.copyfile(given.base / "tokenizer.json", given.out / "tokenizer.json")


def _weights(base: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    loaded: dict[str, Tensor] = load_file(str(base / "model.safetensors"))
    return loaded


def _rows(data: Path, count: int, plain: int, seed: int) -> list[Row]:
    named, real = read_sources(data)
    return [*named, *plain_rows(real, seed)[:plain], *framed(count, seed)]


def _fit(
    model: Tagger,
    examples: Sequence[Example],
    epochs: float,
    seed: int,
    *,
    teacher: Tagger | None = None,
    checkpoint: Path | None = None,
) -> None:
    model.words.weight.requires_grad_(requires_grad=False)
    head = list(model.head.parameters())
    rest = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head")]
    rate = _TEACHER_RATE if teacher is None else _STUDENT_RATE
    optimizer = torch.optim.AdamW(
        [{"params": rest, "lr": rate}, {"params": head, "lr": _HEAD_RATE}], weight_decay=0.01
    )
    rounds = range(-int(-epochs // 1))
    plan = [b for e in rounds for b in batches(examples, seed + e, _BATCH_TOKENS)]
    plan = plan[: round(len(plan) * epochs / -int(-epochs // 1))]

    def loss(places: list[int]) -> Tensor:
        return _loss(model, [examples[place] for place in places], teacher)

    def keep(step: int) -> None:
        if checkpoint is not None and step % 200 == 199:
            torch.save(model.state_dict(), checkpoint)

    descend(model, optimizer, plan, loss, warm_up=_WARM_UP, after=keep)
    if checkpoint is not None:
        torch.save(model.state_dict(), checkpoint)


def _loss(model: Tagger, batch: list[Example], teacher: Tagger | None) -> Tensor:
    ids, mask, tags = padded(batch)
    scores = model(ids, mask)
    if teacher is None:
        return gold_loss(scores, tags)
    with torch.no_grad():
        likely = teacher(ids, mask).softmax(-1)
    return tutored_loss(scores, tags, likely)


def _first_layers(teacher: Tagger, count: int) -> dict[str, Tensor]:
    kept = {f"layers.{number}." for number in range(count)}
    return {
        name: value
        for name, value in teacher.state_dict().items()
        if not name.startswith("layers.") or any(name.startswith(k) for k in kept)
    }


if __name__ == "__main__":
    main()
