"""Files as PyTorch writes them, for CheckpointTest: *.pt, *.pth and expected.json.

    python3 scripts/golden/checkpoints.py models/src/test/resources/checkpoints

All values are whole numbers below 128, so that every type holds them exactly.
"""

import collections
import json
import pathlib
import sys

import pytorch_files
from reproducible import torch

folder = pathlib.Path(sys.argv[1])
expected = {}


def counted(*shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count) % 120 + 1).reshape(shape).to(dtype)


def both(name, value, **options):
    pytorch_files.save(value, folder / (name + ".zip.pt"), **options)
    pytorch_files.save(value, folder / (name + ".legacy.pth"), older=True, **options)


def save(name, value, tensors, **options):
    """Both of PyTorch's forms, and what a reader must find in them."""
    both(name, value, **options)
    expected[name] = {
        key: {
            "type": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "values": [float(value) for value in tensor.detach().flatten().tolist()],
        }
        for key, tensor in tensors.items()
    }


def network():
    layers = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(2, 3, 3, bias=False),
            bn=torch.nn.BatchNorm2d(3),
            fc=torch.nn.Linear(3, 2),
        )
    )
    with torch.no_grad():
        for tensor in layers.state_dict().values():
            tensor.copy_(counted(*tensor.shape))
    return layers


state = network().state_dict()
save("bare", state, state)

types = {
    str(dtype).removeprefix("torch."): counted(2, 3, dtype=dtype)
    for dtype in [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
    ]
}
types["bool"] = torch.tensor([[True, False], [False, True]])
types["scalar"] = torch.tensor(7.0)
types["empty"] = torch.zeros(0, 4)
save("types", types, types)

base = counted(6, 4)
views = {
    "whole": base,
    "transposed": base.t(),
    "column": base[:, 1],
    "rows": base[2:5],
    "every_other": base[::2, ::3],
    "expanded": base[0].expand(3, 4),
    "channels_last": counted(1, 2, 3, 2).contiguous(memory_format=torch.channels_last),
    "tied": base,
}
save("views", views, views)

# Parameters, as a dict of them and not a state_dict's plain tensors.
parameters = collections.OrderedDict(network().named_parameters())
save("parameters", parameters, parameters)

prefixed = torch.nn.DataParallel(network()).state_dict()
optimizer_parameters = list(network().parameters())
optimizer = torch.optim.SGD(optimizer_parameters, lr=0.1, momentum=0.9)
sum(parameter.sum() for parameter in optimizer_parameters).backward()
optimizer.step()
training = {
    "epoch": 90,
    "arch": "resnet50",
    "best_prec1": torch.tensor(77.5),
    "loss": 1.25,
    "large": 2**70,
    "history": [(1, 0.5), (2, None)],
    "ok": True,
    "state_dict": prefixed,
    "optimizer": optimizer.state_dict(),
}
save("training", training, state)
save("model", {"model": state, "iteration": 3}, state)
save("model_state_dict", {"model_state_dict": state}, state)
save("net", {"net": prefixed, "acc": 95.1}, state)
save("protocol4", {"state_dict": state}, state, pickle_protocol=4)


class Mischief:
    def __reduce__(self):
        import os

        return os.system, ("touch pwned",)


both("mischief", {"state_dict": state, "extra": Mischief()})
torch.manual_seed(1)
both("module", torch.nn.Linear(2, 1))
pytorch_files.save_program(torch.nn.PReLU(), folder / "script.zip.pt")
pytorch_files.save([1, 2, 3], folder / "list.zip.pt")
pytorch_files.save({"epoch": 3, "notes": {"a": 1}}, folder / "nothing.zip.pt")

(folder / "expected.json").write_text(json.dumps(expected, indent=0).replace(",\n", ",") + "\n")
