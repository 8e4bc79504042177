"""Layer types of forks against what torchvision, PyTorch and OpenCV's Caffe importer computed (tools/make_fork_goldens.py)."""

from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.ops.detection.boxes import suppressed
from tests.paths import TESTS
from tests.runtime.ops.test_goldens import check, close, net_of

FORKS = TESTS / "goldens" / "forks"
ROWS = {"detection_output": 7, "detection_output_corner": 7, "detection_output_own": 7, "proposal": 5}  # rows that a run counts
LAYERS = sorted(path for path in FORKS.glob("*.npz") if path.stem not in {*ROWS, "nms"})


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("threads", [1, 7])
def test_layer(path: Path, threads: int) -> None:
    golden = np.load(path)
    check(golden, runtime.compile(net_of(golden), threads=threads))


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    """Detections and regions: as many rows as OpenCV's, and rows of -1 for as many more as there could have been."""
    golden, columns = np.load(FORKS / f"{name}.npz"), ROWS[name]
    with runtime.compile(net_of(golden)) as exe:
        (mine,) = exe.forward(**{key.removeprefix("in_"): golden[key] for key in golden if key.startswith("in_")}).values()
    mine, theirs = mine.reshape(-1, columns), golden["out_y"].reshape(-1, columns)
    count = int((mine[:, 0] >= 0).sum())
    assert 3 < count <= len(mine)
    close(in_order(mine[:count]), in_order(theirs[:count]), name)  # OpenCV goes by scores, SSD's Caffe by labels first
    assert (mine[count:, 0] == -1).all() and not theirs[count:].any()


def in_order(rows: np.ndarray) -> np.ndarray:
    """By label, then by score; regions, which have neither, as they are."""
    return rows[np.lexsort((-rows[:, 2], rows[:, 1]))] if rows.shape[1] == 7 else rows


def test_suppression() -> None:
    golden = np.load(FORKS / "nms.npz")
    order = np.argsort(-golden["scores"], kind="stable")
    kept = suppressed(golden["boxes"], order, 0.3, 1.0, len(order), False)
    assert 1 < len(kept) < len(order)
    np.testing.assert_array_equal(kept, golden["kept"])
    np.testing.assert_array_equal(suppressed(golden["boxes"], order, 0.3, 1.0, 5, False), golden["kept"][:5])
