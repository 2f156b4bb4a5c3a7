"""timm's moving average of a network whose values both sides of the test fill from their names, in
float64: a parameter and a buffer after each of six steps, for a small and a large decay.

    python3 scripts/golden/ema.py training/src/test/resources/golden/ema.json
"""

import json
import pathlib
import sys

import timm
import torch
from timm.utils import ModelEmaV3

from filling import uniform

STEPS = 6


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(uniform("weight", 4))
        self.register_buffer("running_mean", uniform("running_mean", 2))
        self.register_buffer("num_batches_tracked", torch.tensor(0))


def run(decay):
    network = Network()
    average = ModelEmaV3(network, decay=decay, use_warmup=True)
    after = []
    for step in range(1, STEPS + 1):
        network.weight.data = uniform(f"weight {step}", 4)
        network.running_mean = uniform(f"running_mean {step}", 2)
        network.num_batches_tracked += 1
        average.update(network, step=step)
        after.append({name: t.tolist() for name, t in average.module.state_dict().items()})
    return after


def main():
    cases = {str(decay): run(decay) for decay in (0.5, 0.9998)}
    text = json.dumps({"timm": timm.__version__, "cases": cases}, indent=1)
    pathlib.Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
