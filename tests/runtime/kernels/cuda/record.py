"""Write compiled.json: what NVRTC made of the kernels that the tests compile to machine code.

    python -m tests.runtime.kernels.cuda.record

after a change of kernels, or with another NVRTC; without it, tests compile what has changed, which takes minutes. Review the diff:
a key for each source, its functions, architecture and options; of each function its registers, bytes of local and of shared memory,
accesses to packs, and to single numbers.
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.runtime.kernels.cuda import nvrtc

TESTS = ("test_nvrtc.py", "test_packs.py", "test_occupancy.py")


def main() -> int:
    if not nvrtc.RECORD.exists():
        nvrtc.RECORD.write_text("{}\n")
    failed = pytest.main(["-n", "0", "-q", "-o", "timeout=0", *(str(nvrtc.RECORD.with_name(name)) for name in TESTS)])
    if not failed:
        lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(rows)}" for key, rows in sorted(nvrtc.asked.items()))
        nvrtc.RECORD.write_text("{\n" + lines + "\n}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
