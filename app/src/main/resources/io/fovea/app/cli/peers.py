"""Measures the mechanisms of "fovea bench" as they are written in PyTorch, for "fovea bench --peers".

The first line that is written describes this PyTorch, and names further mechanisms that are measured
if nothing else is asked for. Each line of standard input asks for one measurement, as JSON: module,
shape, threads, compile, seconds. The answer is a line: the medians of inference (evaluation mode, no
gradients) and of training (forward and backward pass, with the gradient of the input) in
milliseconds, or an error. With 0 seconds, the answer says whether the module is written here.
"""

import json
import statistics
import sys
import time

try:
    import torch

    import mechanisms
except ImportError as e:
    print(json.dumps({"error": str(e)}), flush=True)
    sys.exit(1)

BLOCK = " + block"
SIDE = 28  # of the maps of further mechanisms
MEASURED_APART = ("se", "cbam", "bam", "pam", "cam", "nonlocal")  # by "fovea bench" in any case


def further():
    names = [name for name in mechanisms.BY_NAME if name not in MEASURED_APART]
    return [f"{name}:size={SIDE}" if name == "mhsa" else name for name in names]


class Measured:
    """A module, eager and compiled once for all of its rounds."""

    def __init__(self, text, shape):
        self.asked = (text, shape)
        torch.manual_seed(1)
        self.network = mechanisms.create(text.removesuffix(BLOCK), shape[1])
        self.shape = shape
        self.inputs = [torch.randn(shape)]
        if text.endswith(BLOCK):
            self.network = mechanisms.Block(self.network)
            self.inputs.append(torch.randn(shape))
        self.gradient = torch.randn(shape)
        # what was compiled for other modules counts, and after eight times nothing more is compiled
        torch.compiler.reset()
        self.compiled = torch.compile(self.network)

    def measure(self, compiled, seconds):
        call = self.compiled if compiled else self.network

        def infer():
            with torch.no_grad():
                call(*self.inputs)

        def train():
            for tensor in [*self.network.parameters(), *self.inputs]:
                tensor.grad = None
            call(*self.inputs).backward(self.gradient)

        self.train(False)
        inference = median(infer, seconds / 2)
        self.train(True)
        return {"inference": inference, "training": median(train, seconds / 2)}

    def train(self, training):
        self.network.train(training)
        for tensor in self.inputs:
            tensor.requires_grad_(training)


def median(call, seconds):
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main():
    blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    about = {"torch": torch.__version__, "blas": blas, "further": further(), "shape": [8, 256, SIDE, SIDE]}
    print(json.dumps(about), flush=True)
    measured = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            torch.set_num_threads(request["threads"])
            asked = (request["module"], request["shape"])
            if request["seconds"] == 0:
                mechanisms.create(asked[0].removesuffix(BLOCK), asked[1][1])
                answer = {}
            else:
                if measured is None or measured.asked != asked:
                    measured = Measured(*asked)
                answer = measured.measure(request["compile"], request["seconds"])
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
