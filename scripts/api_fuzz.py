"""Sends what the OpenAPI document of a running `fovea serve` allows, and what it does not, and checks the answers.

    venv/bin/pip install schemathesis
    venv/bin/python scripts/api_fuzz.py RUN [EXAMPLES]

Schemathesis makes the requests from /api/openapi.json. The status is 0 if every answer is one that the document has: no
server error, the status and the content type documented, the body as its schema, wrong requests refused. RUN is the folder of
a run; EXAMPLES, 100 unless given, is the number of requests for each operation.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(run: str, examples: str = "100") -> int:
    server = subprocess.Popen(
        [str(ROOT / "fovea"), "serve", run, "--port", "0", "--rate", "1000000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = None
        for line in server.stdout:
            if found := re.search(r"http://[^/\s]+:\d+", line):
                address = found.group()
                break
        if address is None:
            return 1
        return subprocess.run(
            [
                str(Path(sys.executable).with_name("st")),
                "run",
                f"{address}/api/openapi.json",
                "--max-examples",
                examples,
                "--seed",
                "1",
                "--continue-on-failure",
                # a body may be any bytes by the schema, which cannot say that they have to be an image
                "--exclude-checks",
                "positive_data_acceptance",
                "--request-timeout",
                "60",
            ],
            check=False,
        ).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
