"""The programme that makes the two embedded name models.

    python -m transire.workbench.names.train --base DIR --data DIR --out DIR

`--base` holds `model.safetensors` and `tokenizer.json` of sentence-transformers/all-MiniLM-L6-v2,
revision 1110a243 (Apache-2.0); their hashes are checked. `--data` holds `ner_train.jsonl.gz` and
`ner_train_de.jsonl.gz`. Out come `accurate.onnx`, `fast.onnx` and `tokenizer.json`.

The teacher is the whole encoder with its word embeddings frozen; the student is the teacher's
first two layers, learning from the teacher's own scores (Hinton et al., 2015) and the gold tags.
"""

import argparse
import hashlib
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from transire.workbench.names.corpus import LABELS, Row, framed, read_rows
from transire.workbench.names.network import Shape, Tagger

__all__ = ["TAGS", "main"]

TAGS: Final = ("O", *(f"{edge}-{label}" for label in LABELS for edge in "BI"))

_HASHES: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_MAX_TOKENS: Final = 96
_BATCH_TOKENS: Final = 1_100
_TEACHER_RATE, _HEAD_RATE, _STUDENT_RATE = 1e-4, 1e-3, 2e-4
_WARM_UP: Final = 0.1
_GOLD_WEIGHT: Final = 0.3
_IGNORED: Final = -100

_Example = tuple[list[int], list[int]]


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
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    _check(given.base)
    tokenizer = _tokenizer(given.base)
    rows = _rows(given.data, given.framed, given.plain, given.seed)
    examples = [made for row in rows if (made := _example(row, tokenizer)) is not None]
    teacher = Tagger(Shape(tags=len(TAGS)))
    teacher.load_published(_weights(given.base))
    _fit(teacher, examples, given.epochs, given.seed, checkpoint=given.out / "teacher.pt")
    export(teacher, given.out / "accurate.onnx")
    student = Tagger(Shape(layers=2, tags=len(TAGS)))
    student.load_state_dict(_first_layers(teacher, 2))
    _fit(student, examples, given.student_epochs, given.seed, teacher=teacher)
    export(student, given.out / "fast.onnx")
    shutil.copyfile(given.base / "tokenizer.json", given.out / "tokenizer.json")


def _check(base: Path) -> None:
    for name, wanted in _HASHES.items():
        found = hashlib.sha256((base / name).read_bytes()).hexdigest()
        if found != wanted:
            raise SystemExit(f"{name} is not the published file: its SHA-256 is {found}")


def _tokenizer(base: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(_MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _weights(base: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    loaded: dict[str, Tensor] = load_file(str(base / "model.safetensors"))
    return loaded


def _rows(data: Path, count: int, plain: int, seed: int) -> list[Row]:
    real = list(read_rows(data / "ner_train.jsonl.gz"))
    bio = [row for row in real if row.source.startswith("bio:")]
    random.Random(seed).shuffle(bio)  # noqa: S311 - a sample, not a secret
    german = list(read_rows(data / "ner_train_de.jsonl.gz"))
    named = [row for row in real if not row.source.startswith("bio:")]
    return [*named, *german, *bio[:plain], *framed(count, seed)]


def _example(row: Row, tokenizer: Any) -> _Example | None:
    """Token ids and tags; every piece of a word carries its word's tag."""
    encoded = tokenizer.encode(row.text)
    tags = []
    for (start, end), special in zip(encoded.offsets, encoded.special_tokens_mask, strict=True):
        span = next((s for s in row.spans if s[0] < end and start < s[1]), None)
        if special:
            tags.append(_IGNORED)
        elif span is None:
            tags.append(0)
        else:
            tags.append(TAGS.index(f"{'B' if start <= span[0] else 'I'}-{span[2]}"))
    return (encoded.ids, tags) if len(encoded.ids) > 2 else None


def _batches(examples: Sequence[_Example], seed: int) -> list[list[_Example]]:
    """Examples of like length together, at most `_BATCH_TOKENS` of them with their padding."""
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    ordered = sorted(examples, key=lambda e: (len(e[0]), draw.random()))
    batches: list[list[_Example]] = [[]]
    for example in ordered:
        if (len(batches[-1]) + 1) * len(example[0]) > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(example)
    draw.shuffle(batches)
    return batches


def _tensors(batch: list[_Example]) -> tuple[Tensor, Tensor, Tensor]:
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([[*i, *([0] * (longest - len(i)))] for i, _ in batch])
    mask = torch.tensor([[*([1] * len(i)), *([0] * (longest - len(i)))] for i, _ in batch])
    tags = torch.tensor([[*t, *([_IGNORED] * (longest - len(t)))] for _, t in batch])
    return ids, mask, tags


def _fit(
    model: Tagger,
    examples: Sequence[_Example],
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
    plan = [b for e in range(-int(-epochs // 1)) for b in _batches(examples, seed + e)]
    plan = plan[: round(len(plan) * epochs / -int(-epochs // 1))]
    steps, began = len(plan), time.monotonic()
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / (steps * _WARM_UP), (steps - s) / steps)
    )
    model.train()
    for step, batch in enumerate(plan):
        loss = _loss(model, batch, teacher)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0:
            left = (time.monotonic() - began) / (step + 1) * (steps - step)
            sys.stderr.write(f"step {step}/{steps} loss {loss.item():.4f}, {left:.0f} s left\n")
        if checkpoint is not None and step % 200 == 199:
            torch.save(model.state_dict(), checkpoint)
    model.eval()
    if checkpoint is not None:
        torch.save(model.state_dict(), checkpoint)


def _loss(model: Tagger, batch: list[_Example], teacher: Tagger | None) -> Tensor:
    ids, mask, tags = _tensors(batch)
    scores = model(ids, mask)
    gold = nn.functional.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=_IGNORED)
    if teacher is None:
        return gold
    with torch.no_grad():
        wanted = teacher(ids, mask).softmax(-1)
    seen = (tags != _IGNORED).unsqueeze(-1)
    soft = -(wanted * scores.log_softmax(-1) * seen).sum() / seen.sum()
    return _GOLD_WEIGHT * gold + (1 - _GOLD_WEIGHT) * soft


def _first_layers(teacher: Tagger, count: int) -> dict[str, Tensor]:
    kept = {f"layers.{number}." for number in range(count)}
    return {
        name: value
        for name, value in teacher.state_dict().items()
        if not name.startswith("layers.") or any(name.startswith(k) for k in kept)
    }


def export(model: Tagger, path: Path) -> None:
    """Write ONNX with weights in eight bits; inputs `ids` and `mask`, output `scores`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_suffix(".float.onnx")
    example = torch.tensor([[101, 7592, 102]])
    torch.onnx.export(
        model.eval(),
        (example, torch.ones_like(example)),
        str(whole),
        input_names=["ids", "mask"],
        output_names=["scores"],
        dynamic_axes={n: {0: "batch", 1: "length"} for n in ("ids", "mask", "scores")},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(str(whole), str(path), weight_type=QuantType.QInt8, per_channel=False)
    whole.unlink()


if __name__ == "__main__":
    main()
