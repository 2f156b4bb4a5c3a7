"""Files as trainers save them, with other objects beside the weights, for CheckpointTest: *.pt.

    python3 scripts/golden/trainers.py models/src/test/resources/trainers

All weights are whole numbers. The classes of Lightning are stand-ins with names of their own.
"""

import argparse
import collections
import pathlib
import sys
import types

import pytorch_files
from reproducible import torch

folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)


def state(first=1, prefix=""):
    network = torch.nn.Sequential(
        collections.OrderedDict(
            conv1=torch.nn.Conv2d(1, 2, 1, bias=False), bn1=torch.nn.BatchNorm2d(2)
        )
    )
    with torch.no_grad():
        for tensor in network.state_dict().values():
            count = torch.arange(first, first + tensor.numel())
            tensor.copy_(count.reshape(tensor.shape))
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


def save(name, value):
    pytorch_files.save(value, folder / (name + ".pt"))


lightning = types.ModuleType("lightning")
sys.modules["lightning"] = lightning
for name in ("Callback", "Settings"):
    made = type(name, (), {"__module__": "lightning"})
    setattr(lightning, name, made)
settings = lightning.Settings()
settings.rate = 0.1
callback = lightning.Callback()

save("namespace", {"state_dict": state(), "args": argparse.Namespace(lr=0.1), "epoch": 3})
save(
    "lightning",
    {
        "state_dict": state(prefix="model."),
        "lr_schedulers": [{"milestones": collections.Counter([30, 60])}],
        "callbacks": {"checkpoint": callback},
        "hyper_parameters": settings,
    },
)
save("compiled", state(prefix="module._orig_mod."))
save("encoder", state(prefix="encoder."))
save("averaged", {"n_averaged": torch.tensor(5), **state(prefix="module.")})
save("ema", {"state_dict": state(), "state_dict_ema": state(2), "version": 2})
save("nested", {"checkpoint": {"weights": state(), "stray": torch.ones(1)}, "best": torch.ones(1)})
save("two", {"generator": state(), "student": state()})
counted = {
    "total_ops": torch.zeros(1), "total_params": torch.zeros(1), "conv1.total_ops": torch.zeros(1)
}
save("thop", {**state(), **counted})
save("object", {"state_dict": {**state(), "bn1.weight": argparse.Namespace()}})

save(
    "mmengine",
    {
        "meta": {
            "epoch": 2,
            "cfg": "model = dict(\n    decode_head=dict(align_corners=True))\n",
            "dataset_meta": {"classes": ("road", "wall"), "palette": [[1, 2, 3], [4, 5, 6]]},
        },
        "state_dict": state(),
        "message_hub": {"log_scalars": {}},
    },
)
save(
    "mmcv",
    {
        "meta": {"config": "model = dict()\n", "CLASSES": ["road", "wall"]},
        "state_dict": collections.OrderedDict(state()),
    },
)
