"""A report of many classes and of many images."""

import json
import re
from types import SimpleNamespace

import numpy as np
from PIL import Image

from runtime.pictures.confusion import Confusion
from runtime.pictures.report_page import MOST_CLASSES, MOST_LISTED, MOST_MISTAKES, MOST_PICTURES, Report, render
from runtime.solver.votes import Votes

CLASSES = 45
ALBUM = SimpleNamespace(title=lambda index: f"image {index}", picture=lambda index: Image.new("L", (4, 4)) if index else None)


def report(labels, guesses):
    rows = np.full((len(labels), CLASSES), 0.1, np.float32)
    rows[np.arange(len(labels)), guesses] = np.linspace(0.9, 0.5, len(labels))
    votes = Votes(rows, np.array(labels), np.ones(len(labels), bool))
    return Report("Test", "", {"loss": "1"}, Confusion(votes, tuple(f"c{number}" for number in range(CLASSES))), ALBUM)


def test_the_most_confused_classes_and_a_hundred_images_of_a_cell():
    count = MOST_PICTURES + 20
    page = render(report([7] * count + [44], [3] * count + [44]))
    known = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert f"Of {CLASSES} classes, the {MOST_CLASSES} that are most often confused." in page
    assert len(re.findall(r'<th scope="row"', page)) == MOST_CLASSES and '<th scope="row" title="c7">c7</th>' in page
    assert len(known["cells"]["7,3"]) == MOST_LISTED and f'data-cell="7,3" data-count="{count}"' in page
    assert known["cells"]["7,3"][0] == ["image 0", 0.9, -1]  # which cannot be read any more
    assert len(known["pictures"]) == MOST_PICTURES - 1 and len(re.findall("<figcaption>", page)) == MOST_MISTAKES
    assert f"{count} mistakes in all." in page


def test_classes_without_images_have_no_accuracy():
    page = render(report([0, 1], [0, 0]))
    assert "100.0% of 1" in page and "0.0% of 1" in page and page.count("no images") == CLASSES - 2
