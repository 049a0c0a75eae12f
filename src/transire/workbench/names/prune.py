"""The programme that makes a student cheaper: the heads and inner values that matter least go.

    python -m transire.workbench.names.prune --base DIR --data DIR --student FILE --out FILE

No gradient is followed. Layer by layer, what is kept is mixed anew by least squares, so that each
sum comes as near to the whole student's as it can on some thousand training sentences, errors of
earlier layers included (He et al., ICCV 2017, §3.1, for channels; here for heads and inner values).
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from transire.workbench.names.corpus import Row, framed, is_held_out, plain_rows, read_sources
from transire.workbench.names.examples import TAGS, Example, batches, examples_of, padded, tokenizer
from transire.workbench.names.export import export
from transire.workbench.names.network import Shape, Tagger

__all__ = ["main", "pruned", "whole_student"]

_MAX_TOKENS: Final = 128
_BATCH_TOKENS: Final = 4_096
_RIDGE: Final = 1e-3
"""Of the mean square of what is regressed on: keeps weights of rare values small."""
_EVERY: Final = 25
"""One row in so many is enough to fit some hundred weights per output."""

Batch = tuple[Tensor, Tensor]


def main() -> None:
    """Prune and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "data", "student", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--inner", type=int, default=384)
    given = parser.parse_args()
    splits = tokenizer(given.base, _MAX_TOKENS)
    examples = examples_of(_rows(given.data), splits)
    whole = whole_student(given.student)
    student = pruned(whole, examples, heads=given.heads, inner=given.inner)
    export(student, given.out)


def _rows(data: Path) -> list[Row]:
    named, real = read_sources(data)
    kept = [row for row in named if not is_held_out(row)]
    return [*kept[::_EVERY], *plain_rows(real, 1)[: len(kept) // 250], *framed(len(kept) // 125, 1)]


def whole_student(path: Path) -> Tagger:
    """A student of the shape of `network.Tagger`, read back from its ONNX file."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    held: dict[str, Any] = {i.name: numpy_helper.to_array(i) for i in graph.initializer}

    def plain(name: str) -> Tensor:
        if name in held:
            return torch.tensor(held[name]).float()
        low = torch.tensor(held[f"{name}_quantized"]).float()
        zero, scale = (
            torch.tensor(held[f"{name}_{what}"]).float() for what in ("zero_point", "scale")
        )
        return (low - zero) * scale

    layers = 1 + max(int(n.split(".")[1]) for n in held if n.startswith("layers."))
    student = Tagger(Shape(layers=layers, tags=len(TAGS)))
    state = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in held:
            module = ".".join(node.name.strip("/").split("/")[:-1])
            state[f"{module}.weight"] = plain(node.input[1].removesuffix("_quantized")).T
    for name in student.state_dict():
        if name not in state:
            state[name] = plain(name)
    student.load_state_dict(state)
    student.eval()
    return student


def pruned(whole: Tagger, examples: Sequence[Example], *, heads: int, inner: int) -> Tagger:
    """The student with so many heads and inner values in each layer."""
    with torch.no_grad():
        return _pruned(whole, examples, heads, inner)


def _pruned(whole: Tagger, examples: Sequence[Example], heads: int, inner: int) -> Tagger:
    shape = replace(whole.shape, heads=heads, inner=inner)
    student = Tagger(shape)
    student.eval()
    for name in ("words", "places", "norm", "head"):
        getattr(student, name).load_state_dict(getattr(whole, name).state_dict())
    student.kind.copy_(whole.kind)
    plan = [padded([examples[i] for i in b]) for b in batches(examples, 0, _BATCH_TOKENS)]
    masks = [mask for _, mask, _ in plan]
    wanted = [whole.embedded(ids) for ids, _, _ in plan]
    seen = list(wanted)
    for old, new in zip(whole.layers, student.layers, strict=True):
        wanted, seen = _fit_heads(old, new, wanted, seen, masks)
        wanted, seen = _fit_inner(old, new, wanted, seen, masks)
    _regress(student.head, seen, [whole.head(hidden) for hidden in wanted], masks)
    return student


def _fit_heads(
    old: Any, new: Any, wanted: list[Tensor], seen: list[Tensor], masks: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    gathered = [old.attended(h, _bias(m)) for h, m in zip(wanted, masks, strict=True)]
    flat = _flat(gathered, masks)
    parts = (flat - flat.mean(0)).view(len(flat), old.heads, old.head_width)
    weight = old.mixed.weight.T.view(old.heads, old.head_width, -1)
    power = torch.stack([(parts[:, h] @ weight[h]).square().mean() for h in range(old.heads)])
    kept = power.topk(new.heads).indices.sort().values
    places = (kept[:, None] * old.head_width + torch.arange(old.head_width)).flatten()
    for name in ("query", "key", "value"):
        _take(getattr(old, name), getattr(new, name), places)
    sums = [h + old.mixed(g) for h, g in zip(wanted, gathered, strict=True)]
    mine = [new.attended(h, _bias(m)) for h, m in zip(seen, masks, strict=True)]
    _regress(new.mixed, mine, [s - h for s, h in zip(sums, seen, strict=True)], masks)
    new.mixed_norm.load_state_dict(old.mixed_norm.state_dict())
    return (
        [old.mixed_norm(s) for s in sums],
        [new.mixed_norm(h + new.mixed(g)) for h, g in zip(seen, mine, strict=True)],
    )


def _fit_inner(
    old: Any, new: Any, wanted: list[Tensor], seen: list[Tensor], masks: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    risen = [old.risen(h) for h in wanted]
    power = _flat(risen, masks).var(0) * old.fall.weight.square().sum(0)
    kept = power.topk(new.fall.in_features).indices.sort().values
    _take(old.rise, new.rise, kept)
    sums = [h + old.fall(r) for h, r in zip(wanted, risen, strict=True)]
    mine = [new.risen(h) for h in seen]
    _regress(new.fall, mine, [s - h for s, h in zip(sums, seen, strict=True)], masks)
    new.fall_norm.load_state_dict(old.fall_norm.state_dict())
    return (
        [old.fall_norm(s) for s in sums],
        [new.fall_norm(h + new.fall(r)) for h, r in zip(seen, mine, strict=True)],
    )


def _take(old: nn.Linear, new: nn.Linear, rows: Tensor) -> None:
    new.weight.copy_(old.weight[rows])
    new.bias.copy_(old.bias[rows])


def _regress(
    into: nn.Linear, given: list[Tensor], wanted: list[Tensor], masks: list[Tensor]
) -> None:
    """The weights and biases with which `given` comes nearest to `wanted`, by least squares."""
    x, y = _flat(given, masks), _flat(wanted, masks)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = (x - x_mean).double(), (y - y_mean).double()
    square = x.T @ x
    square += _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    weight = torch.linalg.solve(square, x.T @ y).T.float()
    into.weight.copy_(weight)
    into.bias.copy_(y_mean - weight @ x_mean)


def _flat(values: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Of all tokens that are no padding, `[tokens, width]`."""
    return torch.cat([v[m.bool()] for v, m in zip(values, masks, strict=True)])


def _bias(mask: Tensor) -> Tensor:
    return (1.0 - mask[:, None, None, :].float()) * -1e4


if __name__ == "__main__":
    main()
