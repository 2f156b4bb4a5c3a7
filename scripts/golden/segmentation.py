"""What PyTorch computes for SegmentationGoldenTest: golden/segmentation.json.

    python3 scripts/golden/segmentation.py training/src/test/resources/golden/segmentation.json

The learning rate's schedule, the loss with its ignored label, and inference at several scales,
mirrored and in windows. Weights and images are filled by rule (filling.py).
"""

import json
import sys

from reproducible import made_with, torch

import torch.nn.functional as F

import danet
from filling import fill, uniform

CLASSES, HEIGHT, WIDTH = 4, 40, 57


def poly(rate, steps, power):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 - step / steps) ** power
    )
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def labels(*shape):
    """0..3, and 255 in a fifth of the places."""
    values = (uniform("labels", torch.Size(shape).numel()) + 1) / 2 * 5
    return torch.where(values >= 4, torch.tensor(255), values.long()).reshape(shape)


def losses():
    scores = [
        3 * uniform(f"scores{i}", 2 * CLASSES * 6 * 5).reshape(2, CLASSES, 6, 5) for i in range(3)
    ]
    for s in scores:
        s.requires_grad_()
    target = labels(2, 6, 5)
    weight = torch.tensor([0.5, 1, 2, 0], dtype=torch.float64)
    found = {}
    for name, w, auxiliary in (
        ("plain", None, 1.0),
        ("weighted", weight, 0.4),
        ("main", None, 0.0),
    ):
        criterion = torch.nn.CrossEntropyLoss(weight=w, ignore_index=255)
        main, a, b = (criterion(s, target) for s in scores)
        loss = main + auxiliary * (a + b)
        (gradient,) = torch.autograd.grad(loss, scores[0])
        found[name] = {"loss": loss.item(), "gradient": gradient.flatten().tolist()[::7]}
    return found


def network():
    made = danet.Network(*danet.resnet18(False))
    with torch.no_grad():
        fill(made)
    return made.double().eval()  # weights that float32 holds; the test computes in float32


def look(net, x):
    return net(x)[0].softmax(1)


def sliding(net, x, window):
    total = x.new_zeros(1, CLASSES, *x.shape[2:])
    count = x.new_zeros(1, 1, *x.shape[2:])

    def starts(side):
        if side <= window:
            return [0]
        stride = window * 2 // 3
        return [min(i, side - window) for i in range(0, side - window + stride, stride)]

    for top in starts(x.shape[2]):
        for left in starts(x.shape[3]):
            total[:, :, top : top + window, left : left + window] += look(
                net, x[:, :, top : top + window, left : left + window]
            )
            count[:, :, top : top + window, left : left + window] += 1
    return total / count


def views(net, x, scales, flip, window):
    found = []
    for scale in scales:
        size = [int(side * scale + 0.5) for side in x.shape[2:]]
        view = F.interpolate(x, size, mode="bilinear", align_corners=True)
        for mirrored in (False, True) if flip else (False,):
            y = view.flip(3) if mirrored else view
            y = sliding(net, y, window) if window else look(net, y)
            y = y.flip(3) if mirrored else y
            found.append(F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True))
    return torch.stack(found).mean(0)


def main(out):
    net = network()
    x = uniform("input", 3 * HEIGHT * WIDTH).reshape(1, 3, HEIGHT, WIDTH).float().double()
    with torch.no_grad():
        inference = {
            "whole": views(net, x, [1], False, 0),
            "scales": views(net, x, [0.5, 1, 1.5], False, 0),
            "mirrored": views(net, x, [0.75, 1.25], True, 0),
            "window": views(net, x, [1, 1.25], True, 24),
        }
    golden = {
        "made_with": made_with(torch),
        "poly": poly(0.05, 40, 0.9),
        "losses": losses(),
        "inference": {name: y.float().flatten().tolist()[::97] for name, y in inference.items()},
    }
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


main(sys.argv[1])
