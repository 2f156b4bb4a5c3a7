"""Does the order of heads on the bundled scenes agree with the published order on Cityscapes?

    python3 scripts/order_of_heads.py docs/results/scenes-danet.json

Reads the results of `fovea compare --task segmentation`, and prints Kendall's tau with each published table that
has at least three of the heads. The interval is a bootstrap over the seeds, which share their scenes and so are drawn
together for all heads; p is the share of all orders whose tau is at least as large. Needs SciPy.
"""

import itertools
import json
import random
import sys

from scipy.stats import kendalltau

PUBLISHED = {
    # configs/*/metafile.yaml of mmsegmentation 1.2.2: R-50-D8, 512 x 1024, 40,000 iterations, mIoU on val
    "MMSegmentation 1.2.2": {
        "none": 72.25,
        "ann": 77.40,
        "gc": 77.69,
        "crisscross": 77.76,
        "psp": 77.85,
        "nonlocal": 78.24,
        "dnl": 78.61,
        "dual": 78.74,
        "aspp": 79.09,
    },
    # arXiv 1809.02983, table 1: ResNet-50, mIoU on val
    "DANet's ablation": {"none": 70.03, "cam": 74.28, "pam": 75.74, "dual": 76.34},
}
DRAWS = 2000


def measured(file):
    """The mIoU of each head, by its seeds."""
    heads = {}
    for row in json.load(open(file))["rows"]:
        name = row["module"].partition(":")[0]
        heads[name] = {
            curve["seed"]: curve["epochs"][-1]["test_miou"] for curve in row["curves"]
        }
    return heads


def tau(values, published):
    return kendalltau(values, published).statistic


def compare(title, heads, published):
    names = [name for name in published if name in heads]
    if len(names) < 3:
        return f"{title}: only {len(names)} heads in common"
    theirs = [published[name] for name in names]
    seeds = sorted(set.intersection(*(set(heads[name]) for name in names)))

    def mean(drawn):
        return [sum(heads[name][seed] for seed in drawn) / len(drawn) for name in names]

    found = tau(mean(seeds), theirs)
    draw = random.Random(1)
    draws = sorted(tau(mean(draw.choices(seeds, k=len(seeds))), theirs) for _ in range(DRAWS))
    orders = [tau(order, theirs) for order in itertools.permutations(range(len(names)))]
    p = sum(each >= found - 1e-12 for each in orders) / len(orders)
    return (
        f"{title}: {len(names)} heads ({', '.join(names)}), {len(seeds)} seeds: tau {found:.2f},"
        f" 95% {draws[DRAWS // 40]:.2f} to {draws[-DRAWS // 40]:.2f}, p {p:.2f}"
    )


def main(file):
    heads = measured(file)
    for title, published in PUBLISHED.items():
        print(compare(title, heads, published))


main(sys.argv[1])
