"""The learning rates of torch.optim.lr_scheduler for each step of a training, in float64: the case's
name is Fovea's text of the schedule, and the steps of the warm-up are its share of all steps.

    python3 scripts/golden/schedules.py training/src/test/resources/golden/schedules.json
"""

import json
import pathlib
import sys
import warnings

import torch
from torch.optim import lr_scheduler as s

PEAK = 0.05
EPOCHS = 8
BATCHES = 5
STEPS = EPOCHS * BATCHES
SCORES = [0.5, 0.6, 0.60001, 0.59, 0.59, 0.6, 0.7, 0.1]

# each case: the warm-up in steps, and what the optimiser is given, per step and per epoch
CASES = {
    "cosine:warmup=0.2": (8, lambda o: s.CosineAnnealingLR(o, STEPS - 8), None),
    "cosine:lowest=0.02,warmup=0.2": (
        8,
        lambda o: s.CosineAnnealingLR(o, STEPS - 8, eta_min=0.02 * PEAK),
        None,
    ),
    "poly": (0, lambda o: s.PolynomialLR(o, STEPS, power=0.9), None),
    "poly:power=2,warmup=0.25": (10, lambda o: s.PolynomialLR(o, STEPS - 9, power=2), None),
    "step:size=3": (0, None, lambda o: s.StepLR(o, 3)),
    "step:size=3,gamma=0.5,warmup=0.2": (8, None, lambda o: s.StepLR(o, 3, gamma=0.5)),
    "multistep:milestones=2,5": (0, None, lambda o: s.MultiStepLR(o, [2, 5])),
    "multistep:milestones=1,6,gamma=0.3,warmup=0.1": (
        4,
        None,
        lambda o: s.MultiStepLR(o, [1, 6], gamma=0.3),
    ),
    "constant": (0, lambda o: s.ConstantLR(o, factor=1), None),
    "constant:warmup=0.5": (20, lambda o: s.ConstantLR(o, factor=1), None),
    "plateau:patience=1": (
        0,
        None,
        lambda o: s.ReduceLROnPlateau(o, mode="max", patience=1),
    ),
    "plateau:gamma=0.5,patience=0,threshold=0.05,cooldown=1,lowest=0.3": (
        0,
        None,
        lambda o: s.ReduceLROnPlateau(
            o,
            mode="max",
            factor=0.5,
            patience=0,
            threshold=0.05,
            cooldown=1,
            min_lr=0.3 * PEAK,
        ),
    ),
}


def rates(name, warm, by_step, by_epoch):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    steps = []
    if warm:
        steps.append(s.LinearLR(optimizer, start_factor=1 / warm, total_iters=warm - 1))
    if by_step:
        steps.append(by_step(optimizer))
    if len(steps) == 2 and not name.startswith("constant"):  # one after the other
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
        steps = [
            s.LinearLR(optimizer, start_factor=1 / warm, total_iters=warm - 1),
            by_step(optimizer),
        ]
        steps = [s.SequentialLR(optimizer, steps, milestones=[warm - 1])]
    epochs = by_epoch(optimizer) if by_epoch else None
    found = []
    for epoch in range(EPOCHS):
        for _ in range(BATCHES):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for scheduler in steps:
                scheduler.step()
        if isinstance(epochs, s.ReduceLROnPlateau):
            epochs.step(SCORES[epoch])
        elif epochs:
            epochs.step()
    return found


def main():
    warnings.simplefilter("ignore")  # SequentialLR calls its parts with the old interface
    cases = {name: rates(name, *case) for name, case in CASES.items()}
    values = {
        "pytorch": torch.__version__,
        "peak": PEAK,
        "batches": BATCHES,
        "scores": SCORES,
        "cases": cases,
    }
    pathlib.Path(sys.argv[1]).write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
