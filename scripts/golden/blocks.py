"""Golden files of ResNet's basic block with CBAM in it, for ReferenceBlockTest:

    python3 scripts/golden/blocks.py models/src/test/resources/golden [--code DIR]

The top of golden.py says what a file holds, attention.py how a table is read.
"""

from golden import Entry, main

import reference

TABLE = [
    Entry(
        reference.Block,
        None,
        ("cbam_block", dict(inplanes=32, planes=32, stride=1), (2, 32, 8, 8), 7),
        ("cbam_block_down", dict(inplanes=16, planes=32, stride=2), (2, 16, 8, 8), 8),
    ),
]

if __name__ == "__main__":
    main(__doc__, TABLE)
