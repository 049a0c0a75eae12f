"""A tagger as ONNX with weights in eight bits."""

from pathlib import Path

import torch
from torch import nn

__all__ = ["export"]


def export(model: nn.Module, path: Path) -> None:
    """Write the file; inputs `ids` and `mask`, output `scores`."""
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
