"""The smallest token classifier in ONNX: a table of tags per piece, written by hand.

Protocol buffers (encoding: varint, length-delimited) with the field numbers of `onnx.proto3`.
"""

import numpy as np

__all__ = ["table_model"]

_INT64, _FLOAT = 7, 1


def table_model(table: np.ndarray, inputs: tuple[str, ...]) -> bytes:
    """A model that looks up `table[piece]`: `[vocabulary, tags]` of float."""
    tensor = b"".join(_number(1, size) for size in table.shape)
    tensor += _number(2, _FLOAT) + _text(8, "table") + _bytes(9, table.astype("<f4").tobytes())
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "logits") + _text(4, "Gather")
    graph = _bytes(1, node) + _text(2, "lookup") + _bytes(5, tensor)
    graph += b"".join(_bytes(11, _value(name, _INT64, ("batch", "length"))) for name in inputs)
    graph += _bytes(12, _value("logits", _FLOAT, ("batch", "length", "tags")))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 17))


def _value(name: str, kind: int, sizes: tuple[str, ...]) -> bytes:
    shape = b"".join(_bytes(1, _text(2, size)) for size in sizes)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
