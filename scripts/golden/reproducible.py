"""PyTorch, set up so that a script writes the same bytes each time. Import it before torch.

The last digits of a matrix product or an exponential depend on the code that a library chooses for
the processor, and on the number of threads. Both are fixed here: one thread, ATen's code for AVX2,
the code of MKL that is the same on every processor, and no oneDNN, which compiles its convolutions
for the processor it finds. Another version of PyTorch, another BLAS (a build without MKL) or
another kind of processor (arm64) may still change the last digits; check.py says by how much.
"""

import os
import sys

if "torch" in sys.modules:
    raise ImportError("import reproducible before torch: libtorch reads these variables once")
os.environ.update(
    ATEN_CPU_CAPABILITY="avx2", MKL_CBWR="COMPATIBLE", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1"
)

import torch  # noqa: E402

torch.set_num_threads(1)
torch.backends.mkldnn.enabled = False


def made_with(*packages):
    """Their versions, without what PyTorch's say of CUDA."""
    return ", ".join(f"{p.__name__} {p.__version__.partition('+')[0]}" for p in packages)
