"""caffe.Classifier and caffe.Detector: images in, means over crops and windows out."""

import numpy as np
import pytest
from PIL import Image

from netdef.language.diagnostics import NetdefError
from runtime import pycaffe as caffe
from tests.runtime.pycaffe.nets import DEPLOY, SIMPLE, written


@pytest.fixture
def files(tmp_path):
    file = written(tmp_path, DEPLOY)
    caffe.Net(file, caffe.TEST).save(str(tmp_path / "w.caffemodel"))
    return file, str(tmp_path / "w.caffemodel")


def images(count=3):
    return list(np.random.default_rng(0).random((count, 12, 14, 3)).astype(np.float32))


def test_ten_crops_are_their_mean(files):
    classifier = caffe.Classifier(*files, image_dims=(10, 10), mean=np.array([1, 2, 3]), raw_scale=255, channel_swap=(2, 1, 0))
    predictions = classifier.predict(images())
    assert predictions.shape == (3, 5) and np.allclose(predictions.sum(1), 1, atol=1e-5)
    crops = caffe.io.oversample([caffe.io.resize_image(images()[1], (10, 10))], (8, 8))
    prepared = np.stack([classifier.transformer.preprocess("data", crop) for crop in crops])
    assert np.allclose(classifier.forward_all(data=prepared)["prob"].mean(0), predictions[1], atol=1e-6)


def test_the_center_alone(files):
    classifier = caffe.Classifier(*files, image_dims=[10, 12])
    image = caffe.io.resize_image(images(1)[0], (10, 12))
    wanted = classifier.forward_all(data=image[1:9, 2:10].transpose(2, 0, 1)[None])["prob"]
    assert np.allclose(classifier.predict(images(1), oversample=False), wanted, atol=1e-6)


@pytest.mark.parametrize("context", [None, 2])
def test_windows(files, tmp_path, context):
    detector = caffe.Detector(*files, mean=np.full(3, 0.5), raw_scale=2.0, context_pad=context)
    pixels = (images(1)[0] * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    windows = np.array([[0, 0, 12, 14], [2, 3, 9, 11], [0, 0, 3, 4]])
    found = detector.detect_windows([(str(tmp_path / "image.png"), windows)])
    assert len(found) == 3 and found[1]["window"].tolist() == [2, 3, 9, 11] and found[0]["filename"].endswith("image.png")
    crop = detector.crop(caffe.io.load_image(tmp_path / "image.png"), windows[1])
    assert crop.shape == ((8, 8, 3) if context else (7, 8, 3))
    prepared = detector.transformer.preprocess("data", crop)
    assert np.allclose(detector.forward_all(data=prepared[None])["prob"][0], found[1]["prediction"], atol=1e-6)
    if context:  # the corner is outside of the image: the mean
        assert np.allclose(detector.crop(np.ones((12, 14, 3), np.float32), windows[2])[0, 0], 0.25)


def test_wrong_use(files, tmp_path):
    detector = caffe.Detector(*files)
    with pytest.raises(NetdefError, match="has no pixel of an image of 12 x 14"):
        detector.crop(images(1)[0], (20, 3, 25, 8))
    detector.configure_crop(detector.blobs["data"].width)
    with pytest.raises(NetdefError, match="on both sides leaves nothing of an input"):
        detector.crop(images(1)[0], (2, 3, 5, 8))
    with pytest.raises(NotImplementedError, match="give windows of your own"):
        detector.detect_selective_search(["a.jpg"])
    assert detector.detect_windows([]) == []
    source = written(tmp_path, SIMPLE, "source.prototxt")
    caffe.Net(source, caffe.TEST).save(str(tmp_path / "s"))
    with pytest.raises(NetdefError, match="has the inputs none"):
        caffe.Classifier(source, str(tmp_path / "s"))
