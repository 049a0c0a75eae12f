"""The fast student: a narrow tagger whose word vectors are computed once, before it is shipped.

A word's vector is a function of its published embedding (a linear map plus a small network, as a
gazetteer that generalises); after training that function is evaluated for the whole vocabulary, so
that a word costs one row of a table. Three layers read the sequence: neighbours, everything,
neighbours. Order comes from the neighbours alone; there are no position vectors, so that no place
in a window was seen more rarely than another.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Narrow", "NarrowShape", "Tabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowShape:
    """The sizes of a student."""

    hidden: int = 192
    heads: int = 3
    inner: int = 384
    word_inner: int = 768
    tags: int = 7


class _Neighbours(nn.Module):
    """A word, the one before and the one after, through one hidden layer."""

    def __init__(self, shape: NarrowShape) -> None:
        super().__init__()
        self.rise = nn.Linear(3 * shape.hidden, shape.hidden)
        self.fall = nn.Linear(shape.hidden, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden)
        self.drop = nn.Dropout(0.1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        seen = hidden * mask
        edge = torch.zeros_like(seen[:, :1])
        before = torch.cat([edge, seen[:, :-1]], 1)
        after = torch.cat([seen[:, 1:], edge], 1)
        risen = torch.relu(self.rise(torch.cat([before, seen, after], 2)))
        normed: Tensor = self.norm(hidden + self.drop(self.fall(risen)))
        return normed


class _Everything(nn.Module):
    """Attention over the whole window, then one hidden layer."""

    def __init__(self, shape: NarrowShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.seen = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.mixed = nn.Linear(shape.hidden, shape.hidden)
        self.mixed_norm = nn.LayerNorm(shape.hidden)
        self.rise = nn.Linear(shape.hidden, shape.inner)
        self.fall = nn.Linear(shape.inner, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden)
        self.drop = nn.Dropout(0.1)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        split = (batch, length, 3, self.heads, width // self.heads)
        query, key, value = self.seen(hidden).view(split).permute(2, 0, 3, 1, 4).unbind(0)
        bias = (mask.transpose(1, 2).unsqueeze(1) - 1.0) * 1e4
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + bias
        attended = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width)
        hidden = self.mixed_norm(hidden + self.drop(self.mixed(attended)))
        normed: Tensor = self.norm(hidden + self.drop(self.fall(torch.relu(self.rise(hidden)))))
        return normed


class _Layers(nn.Module):
    def __init__(self, shape: NarrowShape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(shape.hidden)
        self.layers = nn.ModuleList([_Neighbours(shape), _Everything(shape), _Neighbours(shape)])
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(shape.hidden, shape.tags)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        seen = mask.to(words.dtype).unsqueeze(-1)
        hidden = self.drop(self.norm(words))
        for layer in self.layers:
            hidden = layer(hidden, seen)
        scores: Tensor = self.head(self.drop(hidden))
        return scores


class Narrow(nn.Module):
    """The student as it is trained.

    Args:
        words: Published word embeddings `[vocabulary, width]`; they are not trained.
    """

    def __init__(self, shape: NarrowShape, words: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.words: Tensor
        self.register_buffer("words", words, persistent=False)
        width = words.shape[1]
        self.straight = nn.Linear(width, shape.hidden)
        self.bent = nn.Sequential(
            nn.Linear(width, shape.word_inner),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(shape.word_inner, shape.hidden),
        )
        self.layers = _Layers(shape)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Score every token; the mask is 1 on tokens and 0 on padding."""
        distinct, places = torch.unique(ids, return_inverse=True)
        scores: Tensor = self.layers(self.vectors(self.words[distinct])[places], mask)
        return scores

    def vectors(self, words: Tensor) -> Tensor:
        """What the layers see of words, by their published embeddings."""
        vectors: Tensor = self.straight(words) + self.bent(words)
        return vectors


class Tabled(nn.Module):
    """The student as it is shipped: the same scores, each word's vector looked up."""

    def __init__(self, student: Narrow) -> None:
        super().__init__()
        with torch.no_grad():
            table = student.eval().vectors(student.words)
        self.table = nn.Embedding.from_pretrained(table)
        self.layers = student.layers

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """As `Narrow.forward`."""
        scores: Tensor = self.layers(self.table(ids), mask)
        return scores
