"""Make models/digits from the digits in scikit-learn's package: `python tools/make_digits.py`.

A PNG for each class, its images below one another, 8 x 8 pixels each, in the order of the original; 16 is white.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 8  # pixels
MOST = 16  # the largest value of a pixel: how many of 4 x 4 scanned points are black


def make(folder: Path) -> int:
    """Write ten images and labels.txt into `folder`; the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels, labels = load_digits(return_X_y=True)
    for label in range(10):
        gray = np.round(pixels[labels == label].reshape(-1, SIDE) * 255 / MOST).astype(np.uint8)
        Image.fromarray(gray).save(folder / f"{label}.png", optimize=True)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in range(10)))
    return sum(path.stat().st_size for path in folder.glob("*.png"))


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "models" / "digits"
    print(f"{target}: {make(target):,} bytes")
