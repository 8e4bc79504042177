"""Make models/photos from the images in scikit-image's package: `python tools/make_photos.py`.

Each photograph is re-encoded as a JPEG of one quality, gray where the original is gray, so that all ten take about 1 MB.
The retina keeps only a square inside its disc: the black around it belongs to no class.
"""

from importlib.resources import as_file, files
from pathlib import Path

from PIL import Image

QUALITY = 90
PHOTOS = {  # class -> the file in skimage.data, in the order of the labels
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "immunohistochemistry": "ihc.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "brick": "brick.png",
}
CROPS = {"retina": (217, 217, 1193, 1193)}  # left, top, right, bottom in pixels of the original


def make(folder: Path) -> int:
    """Write the ten photographs and labels.txt into `folder`; the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, original in PHOTOS.items():
        with as_file(files("skimage.data") / original) as path, Image.open(path) as image:
            image.crop(CROPS.get(name, (0, 0, *image.size))).save(folder / f"{name}.jpg", quality=QUALITY, optimize=True)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in PHOTOS))
    return sum(path.stat().st_size for path in folder.glob("*.jpg"))


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "models" / "photos"
    print(f"{target}: {make(target):,} bytes")
