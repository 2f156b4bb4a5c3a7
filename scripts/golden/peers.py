"""Compares the mechanisms that "fovea bench --peers" measures in PyTorch with the golden files.

    python3 scripts/golden/peers.py

Each class of mechanisms.py gets the parameters of a golden file, in the file's order, and has to
compute its outputs and gradients in float64. Nothing is written; a difference is an error.
"""

import json
import pathlib
import struct
import sys

from reproducible import torch

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "attention/src/test/resources/golden"
sys.path.insert(0, str(ROOT / "app/src/main/resources/io/fovea/app/cli"))

import mechanisms  # noqa: E402

TOLERANCE = 1e-7  # relative to the largest value; libtorch's hard sigmoid rounds 1/6 to float32
FILES = {  # where a file has not the name of the spec
    "se": "se_r16",
    "eca": "eca_c64",
    "ela": "ela_b",
    "nonlocal": "nonlocal2d_sub_bn",
    "nonlocal:subsample=false": "nonlocal2d_bn",
}


def read(path):
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:end]).items():
        if name != "__metadata__":
            dtype = torch.int64 if entry["dtype"] == "I64" else torch.float64
            start, stop = (end + offset for offset in entry["data_offsets"])
            values = torch.frombuffer(bytearray(data[start:stop]), dtype=dtype)
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def behind(prefix, tensors):
    return [tensor for name, tensor in tensors.items() if name.startswith(prefix)]


def load(module, state):
    own = module.state_dict()
    if [value.numel() for value in own.values()] != [value.numel() for value in state]:
        sys.exit(f"{type(module).__name__} has other parameters than the file: {list(own)}")
    pairs = zip(own.items(), state)
    module.load_state_dict({name: value.reshape(mine.shape) for (name, mine), value in pairs})


def difference(actual, expected, largest=None):
    largest = largest or max(expected.abs().max().item(), 1e-300)
    return (actual.detach().reshape(expected.shape) - expected).abs().max().item() / largest


def compare(spec, golden):
    x = golden["input"].clone().requires_grad_()
    size = f":size={x.size(2)}x{x.size(3)}" if spec == "mhsa" else ""
    module = mechanisms.create(spec + size, x.size(1)).double()
    load(module, behind("state/", golden))
    y = module(x)
    y.backward(golden["cotangent"])
    found = [difference(y, golden["output.train"]), difference(x.grad, golden["grad.input"])]
    gradients = behind("grad/", golden)
    largest = max([g.abs().max().item() for g in gradients], default=1)
    for parameter, expected in zip(module.parameters(), gradients, strict=True):
        found.append(difference(parameter.grad, expected, largest))
    module.eval()
    found.append(difference(module(golden["input"]), golden["output.eval"]))
    return max(found)


def main():
    worst = 0
    for spec in [*mechanisms.BY_NAME, "nonlocal:subsample=false"]:
        found = compare(spec, read(GOLDEN / f"{FILES.get(spec, spec)}.safetensors"))
        print(f"{spec:26} {found:.1e}")
        worst = max(worst, found)
    if not worst < TOLERANCE:
        sys.exit("that is not the same equation")


if __name__ == "__main__":
    main()
