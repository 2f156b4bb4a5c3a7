"""PyTorch, set up so that a script writes the same bytes each time. Import this module before torch.

What a matrix product or an exponential gives in its last digits depends on the code that a library chooses for
the processor, and on the number of threads. So both are fixed: one thread, ATen's AVX2 code, the code of MKL that
is the same on every processor, and no oneDNN, which compiles its convolutions for the processor at hand. Another
version of PyTorch, another BLAS (a build without MKL) or another kind of processor (arm64) may still change the
last digits; scripts/check.py says by how much.
"""

import os
import sys

if "torch" in sys.modules:
    raise ImportError(
        "reproducible has to be imported before torch, as libtorch reads these variables once"
    )
os.environ.update(
    ATEN_CPU_CAPABILITY="avx2", MKL_CBWR="COMPATIBLE", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1"
)

import torch  # noqa: E402

torch.set_num_threads(1)
torch.backends.mkldnn.enabled = False
