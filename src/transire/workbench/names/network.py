"""A BERT-shaped encoder with a linear tagger on top (Devlin et al., NAACL 2019), in plain PyTorch.

Weights keep the names of the published checkpoints, so that a `safetensors` file loads as it is.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

__all__ = ["Shape", "Tagger"]

_EPSILON: Final = 1e-12
_MAX_POSITIONS: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of an encoder; MiniLM-L6's by default (Wang et al., NeurIPS 2020)."""

    layers: int = 6
    hidden: int = 384
    heads: int = 12
    head_width: int = 32
    inner: int = 1536
    words: int = 30_522
    tags: int = 7


class _Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head_width = shape.heads, shape.head_width
        width = shape.heads * shape.head_width
        self.query, self.key, self.value = (nn.Linear(shape.hidden, width) for _ in range(3))
        self.mixed = nn.Linear(width, shape.hidden)
        self.mixed_norm = nn.LayerNorm(shape.hidden, eps=_EPSILON)
        self.rise = nn.Linear(shape.hidden, shape.inner)
        self.fall = nn.Linear(shape.inner, shape.hidden)
        self.fall_norm = nn.LayerNorm(shape.hidden, eps=_EPSILON)
        self.drop = nn.Dropout(0.1)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        hidden = self.mixed_norm(hidden + self.drop(self.mixed(self.attended(hidden, bias))))
        normed: Tensor = self.fall_norm(hidden + self.drop(self.fall(self.risen(hidden))))
        return normed

    def attended(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """What the heads gather, side by side, before it is mixed."""
        batch, length, _ = hidden.shape
        split = (batch, length, self.heads, self.head_width)
        query, key, value = (
            part(hidden).view(split).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_width) + bias
        gathered = (scores.softmax(-1) @ value).transpose(1, 2)
        return gathered.reshape(batch, length, self.heads * self.head_width)

    def risen(self, hidden: Tensor) -> Tensor:
        """The inner layer's values."""
        return nn.functional.gelu(self.rise(hidden))


class Tagger(nn.Module):
    """Token ids and a mask in, one score per tag and token out: `[batch, length, tags]`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.words, shape.hidden)
        self.places = nn.Embedding(_MAX_POSITIONS, shape.hidden)
        self.kind = nn.Parameter(torch.zeros(shape.hidden))
        self.norm = nn.LayerNorm(shape.hidden, eps=_EPSILON)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(shape.hidden, shape.tags)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Score every token; the mask is 1 on tokens and 0 on padding."""
        hidden = self.drop(self.embedded(ids))
        bias = (1.0 - mask[:, None, None, :].to(hidden.dtype)) * -1e4
        for layer in self.layers:
            hidden = layer(hidden, bias)
        scores: Tensor = self.head(self.drop(hidden))
        return scores

    def embedded(self, ids: Tensor) -> Tensor:
        """What the first layer sees."""
        places = torch.arange(ids.shape[1], device=ids.device)
        normed: Tensor = self.norm(self.words(ids) + self.places(places) + self.kind)
        return normed

    def load_published(self, weights: dict[str, Tensor]) -> None:
        """Take a published encoder's weights; layers it has beyond ours are left out."""
        mine: dict[str, Any] = {
            "words.weight": weights["embeddings.word_embeddings.weight"],
            "places.weight": weights["embeddings.position_embeddings.weight"],
            "kind": weights["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": weights["embeddings.LayerNorm.weight"],
            "norm.bias": weights["embeddings.LayerNorm.bias"],
        }
        for number in range(self.shape.layers):
            for ours, theirs in _NAMES.items():
                for part in ("weight", "bias"):
                    published = weights[f"encoder.layer.{number}.{theirs}.{part}"]
                    mine[f"layers.{number}.{ours}.{part}"] = published
        missing, surplus = self.load_state_dict(mine, strict=False)
        if surplus or set(missing) != {"head.weight", "head.bias"}:
            raise ValueError("these are not the weights of such an encoder")


_NAMES: Final = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "mixed_norm": "attention.output.LayerNorm",
    "rise": "intermediate.dense",
    "fall": "output.dense",
    "fall_norm": "output.LayerNorm",
}
