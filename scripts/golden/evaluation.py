"""Scores of predictions as scikit-learn computes them, and the calibration error of torchmetrics.

    python3 scripts/golden/evaluation.py training/src/test/resources/golden/evaluation.json
"""

import json
import pathlib
import sys
import warnings

import numpy
import scipy.ndimage
import sklearn.calibration
import sklearn.metrics
import torch
import torchmetrics.functional.classification as torchmetrics

CLASSES = 7
SAMPLES = 60


def case(seed, absent):
    """Random scores; classes in `absent` have no samples, but may be predicted."""
    generator = numpy.random.default_rng(seed)
    present = [label for label in range(CLASSES) if label not in absent]
    labels = generator.choice(present, SAMPLES)
    scores = generator.normal(size=(SAMPLES, CLASSES)).round(2) * 2
    scores[numpy.arange(SAMPLES), labels] += 1.5
    exponentials = numpy.exp(scores.astype(numpy.float64))
    probabilities = (exponentials / exponentials.sum(1, keepdims=True)).astype(numpy.float32)
    predicted = probabilities.argmax(1)
    everything = list(range(CLASSES))

    def scored(average, labels_of):
        return [
            float(value)
            for value in sklearn.metrics.precision_recall_fscore_support(
                labels, predicted, labels=labels_of, average=average, zero_division=0
            )[:3]
        ]

    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=everything, zero_division=0
    )
    confidence = probabilities.max(1).astype(numpy.float64)
    accuracy, mean = sklearn.calibration.calibration_curve(
        predicted == labels, confidence, n_bins=15, strategy="uniform"
    )
    with warnings.catch_warnings(action="ignore"):
        error = torchmetrics.multiclass_calibration_error(
            torch.tensor(probabilities, dtype=torch.float64),
            torch.tensor(labels),
            num_classes=CLASSES,
            n_bins=15,
            norm="l1",
        )
    return {
        "labels": labels.tolist(),
        "probabilities": [[float(p) for p in row] for row in probabilities],
        "top1": float(sklearn.metrics.accuracy_score(labels, predicted)),
        "top5": float(
            sklearn.metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=everything)
        ),
        "confusion": sklearn.metrics.confusion_matrix(labels, predicted, labels=everything).tolist(),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "iou": sklearn.metrics.jaccard_score(
            labels, predicted, labels=everything, average=None, zero_division=0
        ).tolist(),
        "macro": scored("macro", present),
        "weighted": scored("weighted", everything),
        "calibration_error": float(error),
        "curve_accuracy": accuracy.tolist(),
        "curve_confidence": mean.tolist(),
    }


def masks():
    """Two masks of five classes, by rule; the last class is absent, the last rows are ignored."""
    y, x = numpy.mgrid[0:150, 0:200]

    def mask(left, top, radius, edge, band):
        labels = numpy.where(x >= band, 3, 0)
        labels[(x >= edge) & (y < 50)] = 2
        labels[(x - left) ** 2 + (y - top) ** 2 < radius**2] = 1
        return labels

    truth, predicted = mask(60, 70, 40, 120, 150), mask(61, 72, 41, 121, 155)
    ignored = y >= 140
    valid = ~ignored

    def boundary(labels, label):
        """Pixels of the class beside one of another class; ignored pixels are nobody's neighbours."""
        found = numpy.zeros(labels.shape, bool)
        for axis in (0, 1):
            for step in (1, -1):
                other = numpy.roll(labels, step, axis)
                there = numpy.roll(valid, step, axis)
                index = [slice(None)] * 2
                index[axis] = 0 if step == 1 else -1
                there[tuple(index)] = False
                found |= (labels == label) & there & (other != labels)
        return found & valid

    def boundary_f1(label):
        true, found = boundary(truth, label), boundary(predicted, label)
        if not true.any() and not found.any():
            return None
        tolerance = 0.0075 * numpy.hypot(*truth.shape)
        near_true = scipy.ndimage.distance_transform_edt(~true) <= tolerance
        near_found = scipy.ndimage.distance_transform_edt(~found) <= tolerance
        precision, recall = near_true[found].mean(), near_found[true].mean()
        return float(2 * precision * recall / (precision + recall))

    everything = list(range(5))
    labels, guesses = truth[valid], predicted[valid]
    return {
        "boundary_f1": [boundary_f1(label) for label in everything],
        "dice": sklearn.metrics.f1_score(
            labels, guesses, labels=everything[:4], average=None
        ).tolist(),
        "frequency_weighted_iou": float(
            sklearn.metrics.jaccard_score(labels, guesses, average="weighted")
        ),
    }


def main():
    cases = {
        "every class": case(1, []),
        "two classes without samples": case(2, [0, 4]),
        "masks": masks(),
    }
    text = json.dumps({"made_with": f"scikit-learn {sklearn.__version__}", **cases})
    pathlib.Path(sys.argv[1]).write_text(text + "\n")


main()
