"""What PyTorch's optimisers make of weights and gradients that both sides of the test fill from their
names, in float64: the weights after each of five steps, with a learning rate that changes and with
clipped gradients.

    python3 scripts/golden/optimizers.py training/src/test/resources/golden/optimizers.json
"""

import json
import pathlib
import sys

import torch

from filling import uniform

STEPS = 5
CLIP = 0.7
CASES = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, weight_decay=0.01),
}


def run(make, clip):
    weight = torch.nn.Parameter(uniform("weight", 6).reshape(3, 2))
    bias = torch.nn.Parameter(uniform("bias", 3))
    optimizer = make([weight, bias])
    after = []
    for step in range(STEPS):
        weight.grad = uniform(f"weight {step}", 6).reshape(3, 2)
        bias.grad = uniform(f"bias {step}", 3)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
        if clip:
            torch.nn.utils.clip_grad_norm_([weight, bias], CLIP)
        optimizer.step()
        after.append({"weight": weight.flatten().tolist(), "bias": bias.tolist()})
    return after


def main():
    cases = {
        name + (" clipped" if clip else ""): run(make, clip)
        for name, make in CASES.items()
        for clip in (False, True)
    }
    text = json.dumps({"pytorch": torch.__version__, "clip": CLIP, "cases": cases}, indent=1)
    pathlib.Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
