"""The programme that makes the embedded *accurate* model, the teacher of *fast* (`distil`).

    python -m transire.workbench.names.train --base DIR --data DIR --out DIR

`--base` holds `model.safetensors` and `tokenizer.json` of sentence-transformers/all-MiniLM-L6-v2,
revision 1110a243 (Apache-2.0); their hashes are checked. `--data` holds `ner_train.jsonl.gz` and
`ner_train_de.jsonl.gz`. Out come `accurate.onnx` and `tokenizer.json`.

It is the whole encoder with its word embeddings frozen. With `--hold-out` it learns without one row
in twelve (`corpus.is_held_out`): a sibling of the embedded model, made to be measured on what it
did not see, not to be used.
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
from transire.workbench.names.learning import descend, gold_loss
from transire.workbench.names.network import Shape, Tagger

__all__ = ["main"]

_MAX_TOKENS: Final = 96
_BATCH_TOKENS: Final = 1_100
_RATE, _HEAD_RATE = 1e-4, 1e-3
_WARM_UP: Final = 0.1


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=2.0)
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
    model = Tagger(Shape(tags=len(TAGS)))
    model.load_published(_weights(given.base))
    _fit(model, examples, given.epochs, given.seed, given.out / "accurate.pt")
    export(model, given.out / "accurate.onnx")
    shutil.copyfile(given.base / "tokenizer.json", given.out / "tokenizer.json")


def _weights(base: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    loaded: dict[str, Tensor] = load_file(str(base / "model.safetensors"))
    return loaded


def _rows(data: Path, count: int, plain: int, seed: int) -> list[Row]:
    named, real = read_sources(data)
    return [*named, *plain_rows(real, seed)[:plain], *framed(count, seed)]


def _fit(
    model: Tagger, examples: Sequence[Example], epochs: float, seed: int, checkpoint: Path
) -> None:
    model.words.weight.requires_grad_(requires_grad=False)
    head = list(model.head.parameters())
    rest = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head")]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "lr": _RATE}, {"params": head, "lr": _HEAD_RATE}], weight_decay=0.01
    )
    rounds = range(-int(-epochs // 1))
    plan = [b for e in rounds for b in batches(examples, seed + e, _BATCH_TOKENS)]
    plan = plan[: round(len(plan) * epochs / -int(-epochs // 1))]

    def loss(places: list[int]) -> Tensor:
        ids, mask, tags = padded([examples[place] for place in places])
        return gold_loss(model(ids, mask), tags)

    def keep(step: int) -> None:
        if step % 200 == 199:
            torch.save(model.state_dict(), checkpoint)

    descend(model, optimizer, plan, loss, warm_up=_WARM_UP, after=keep)
    torch.save(model.state_dict(), checkpoint)


if __name__ == "__main__":
    main()
