"""Reads a safetensors file with nothing but PyTorch: python3 read_safetensors.py FILE lists what is in it."""

import json
import math
import struct
import sys

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    state = {}
    for name, entry in header.items():
        begin, shape = entry["data_offsets"][0], entry["shape"]
        values = torch.frombuffer(data, dtype=TYPES[entry["dtype"]], count=math.prod(shape), offset=begin)
        state[name] = values.reshape(shape)
    return state


if __name__ == "__main__":
    for name, tensor in read(sys.argv[1]).items():
        print(name, list(tensor.shape), tensor.dtype)
