"""The programme that makes the embedded *fast* model from a trained teacher.

    python -m transire.workbench.names.distil --base DIR --data DIR --out DIR

The teacher is the model that travels with the package; its likelihoods on every training text are
computed once. The student learns from them and,
for a smaller part, from the gold tags (Hinton et al., 2015). Texts are the training sources less
the held-out rows (`corpus.is_held_out`), the same with people's names exchanged for those of
thirty locales, framed chat, and neighbouring rows joined to windows of the length that is read.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

import transire
from transire.workbench.names.corpus import (
    MOST_PLAIN,
    Row,
    exchanged,
    framed,
    is_held_out,
    joined,
    plain_rows,
    read_sources,
)
from transire.workbench.names.examples import (
    TAGS,
    Example,
    batches,
    check_base,
    examples_of,
    padded,
    tokenizer,
    word_embeddings,
)
from transire.workbench.names.export import export
from transire.workbench.names.learning import descend, tell, tutored_loss
from transire.workbench.names.narrow import Narrow, NarrowShape, Tabled

__all__ = ["main"]

_TEACHER: Final = Path(transire.__file__).parent / "classify/names/weights/accurate.onnx"
_MAX_TOKENS: Final = 128
"""Of one window, as the router reads."""
_BATCH_TOKENS: Final = 2_048
_LABEL_TOKENS: Final = 512
"""Few, so that a text is judged in eight bits much as it is alone."""
_RATE: Final = 2e-3
_WARM_UP: Final = 0.05


def main() -> None:
    """Label, distil and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, default=_TEACHER)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--framed", type=int, default=3_000)
    parser.add_argument(
        "--plain", type=int, default=MOST_PLAIN, help="biomedical rows without names"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    check_base(given.base)
    splits = tokenizer(given.base, _MAX_TOKENS)
    rows = _rows(given.data, given.framed, given.plain, given.seed)
    examples = examples_of(rows, splits)
    wanted = _judged(given.teacher, examples)
    student = Narrow(NarrowShape(tags=len(TAGS)), word_embeddings(given.base))
    _fit(student, examples, wanted, given.epochs, given.seed)
    torch.save(student.state_dict(), given.out / "student.pt")
    export(Tabled(student), given.out / "fast.onnx")


def _rows(data: Path, count: int, plain: int, seed: int) -> list[Row]:
    named, real = read_sources(data)
    kept = [row for row in named if not is_held_out(row)]
    rows = [*kept, *joined(kept[::2], seed), *exchanged(kept, seed)]
    return [*rows, *plain_rows(real, seed)[:plain], *framed(count, seed)]


def _judged(teacher: Path, examples: Sequence[Example]) -> list[Tensor]:
    """The teacher's likelihoods of every example, `[length, tags]` in half precision."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = InferenceSession(teacher, options, providers=["CPUExecutionProvider"])
    wanted: list[Tensor] = [torch.empty(0)] * len(examples)
    plan, began = batches(examples, 0, _LABEL_TOKENS), time.monotonic()
    for number, places in enumerate(plan):
        ids, mask, _ = padded([examples[place] for place in places])
        fed = {"ids": ids.numpy(), "mask": mask.numpy()}
        likely = torch.from_numpy(session.run(["scores"], fed)[0]).softmax(-1).half()
        for row, place in enumerate(places):
            wanted[place] = likely[row, : len(examples[place][0])].clone()
        if number % 100 == 0:
            tell(f"labelled {number}/{len(plan)}", began, number + 1, len(plan))
    return wanted


def _fit(
    student: Narrow, examples: Sequence[Example], wanted: list[Tensor], epochs: int, seed: int
) -> None:
    optimizer = torch.optim.AdamW(student.parameters(), lr=_RATE, weight_decay=0.01)
    plan = [b for e in range(epochs) for b in batches(examples, seed + e, _BATCH_TOKENS)]

    def loss(places: list[int]) -> Tensor:
        ids, mask, tags = padded([examples[place] for place in places])
        likely = nn.utils.rnn.pad_sequence([wanted[p] for p in places], batch_first=True)
        return tutored_loss(student(ids, mask), tags, likely.float())

    descend(student, optimizer, plan, loss, warm_up=_WARM_UP)


if __name__ == "__main__":
    main()
