"""Weights and inputs that no file holds: both sides of a test fill them from their names."""

import zlib

import torch


def uniform(name, count):
    """Numbers in -1..1 that depend on the name alone: murmur's mixing of a counter, in 32 bits."""
    mask = 0xFFFFFFFF
    x = (torch.arange(count, dtype=torch.int64) + zlib.crc32(name.encode())) & mask
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & mask
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & mask
    x = x ^ (x >> 16)
    return x.double() / 2**31 - 1


def fill(network):
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = uniform(name, tensor.numel()).reshape(tensor.shape)
        if name.endswith("running_var"):
            values = 1 + values / 2
        elif name.endswith("running_mean") or name.endswith("bias"):
            values = values / 10
        elif tensor.dim() < 2:  # the scale of a batch norm
            values = 1 + values / 2
        else:
            fan_in = tensor.numel() / tensor.shape[0]
            values = values * (6 / fan_in) ** 0.5
        tensor.copy_(values)
