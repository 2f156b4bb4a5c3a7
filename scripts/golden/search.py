"""Writes what SciPy and statsmodels compute for the statistics of a search.

    python3 scripts/golden/search.py training/src/test/resources/golden/search.json

The paired difference over seeds and images is computed here from its definition (variances by NumPy, Student's t by
SciPy, Satterthwaite's degrees of freedom written out), the difference over images alone is SciPy's ttest_rel, and
Holm's correction is statsmodels' multipletests.
"""

import json
import pathlib
import sys

import numpy
import scipy.stats
from statsmodels.stats.multitest import multipletests


def paired(one, other, level):
    difference = one - other
    seeds, images = difference.shape
    of_seeds = difference.mean(axis=1).var(ddof=1) / seeds
    of_images = difference.mean(axis=0).var(ddof=1) / images
    error = (of_seeds + of_images) ** 0.5
    freedom = (of_seeds + of_images) ** 2 / (of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1))
    t = scipy.stats.t(freedom)
    mean = difference.mean()
    half = t.ppf((1 + level) / 2) * error
    alone = scipy.stats.ttest_rel(one[0], other[0])
    interval = alone.confidence_interval(level)
    return {
        "one": one.tolist(),
        "other": other.tolist(),
        "level": level,
        "mean": mean,
        "standard_error": error,
        "degrees_of_freedom": freedom,
        "p": 2 * t.sf(abs(mean) / error),
        "low": mean - half,
        "high": mean + half,
        "first_seed_low": interval.low,
        "first_seed_high": interval.high,
    }


def main(target):
    random = numpy.random.RandomState(20)
    cases = []
    for seeds, images, effect, level in [(2, 5, 0.1, 0.95), (3, 12, 0.0, 0.95), (5, 30, 0.05, 1 - 0.05 / 3)]:
        other = random.randint(0, 2, (seeds, images)).astype(float)
        one = numpy.round(other + effect + 0.3 * random.randn(seeds, images), 3)
        cases.append(paired(one, other, level))
    lists = [[0.04], [0.01, 0.04, 0.03], [0.5, 0.001, 0.02, 0.02, 0.9], [0.3, 0.3], [0.0, 1.0]]
    holm = [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in lists]
    text = json.dumps({"paired": cases, "holm": holm}, indent=1) + "\n"
    pathlib.Path(target).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1])
