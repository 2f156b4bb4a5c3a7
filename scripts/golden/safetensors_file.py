"""Writes safetensors files: tensors and metadata stand in the order in which they are given."""

import json
import pathlib
import struct

import torch

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64"}


def write(path, tensors, metadata=None):
    """tensors: name to tensor; metadata: name to text, or None for a file without it."""
    header = {} if metadata is None else {"__metadata__": metadata}
    data = bytearray()
    for name, tensor in tensors.items():
        begin = len(data)
        data += tensor.detach().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, len(data)],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the data begin at a multiple of eight bytes
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)
