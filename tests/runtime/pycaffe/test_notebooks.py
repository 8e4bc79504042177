"""The steps of Caffe's notebooks on small nets: classification, net surgery, fine-tuning, siamese nets, and fcn's surgery."""

import numpy as np
import pytest
from PIL import Image

from runtime import pycaffe as caffe
from runtime.pycaffe.proto import caffe_pb2
from tests.runtime.pycaffe.nets import written

L, P = caffe.layers, caffe.params
XAVIER = {"type": "xavier"}


def saved(folder, net, name="net.prototxt"):
    """The file of a NetSpec or a NetParameter."""
    return written(folder, str(net.to_proto() if hasattr(net, "to_proto") else net), name)


def small_net(data, classes=4, label=None, train=False, name="fc8", frozen=False):
    """Convolution, pooling, and two inner products, as small as a net can be that has what CaffeNet has."""
    param = [{"lr_mult": 0}] * 2 if frozen else [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
    n = caffe.NetSpec()
    n.data = data
    n.conv1 = L.Convolution(n.data, kernel_size=3, num_output=6, stride=2, param=param, weight_filler=XAVIER)
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.norm1 = L.LRN(n.pool1, local_size=3, alpha=1e-4, beta=0.75)
    n.fc7 = L.InnerProduct(n.norm1, num_output=10, param=param, weight_filler=XAVIER)
    n.relu7 = L.ReLU(n.fc7, in_place=True)
    last = n.relu7
    if train:
        n.drop7 = last = L.Dropout(n.relu7, in_place=True)
    n[name] = L.InnerProduct(last, num_output=classes, weight_filler=XAVIER)
    if label is not None:
        n.label = label
        n.loss = L.SoftmaxWithLoss(n[name], n.label)
        n.acc = L.Accuracy(n[name], n.label)
    else:
        n.probs = L.Softmax(n[name])
    return n


@pytest.fixture
def trained(tmp_path):
    """A deploy net of 17 x 17 pixels and its weights."""
    file = saved(tmp_path, small_net(L.Input(shape={"dim": [10, 3, 17, 17]})), "deploy.prototxt")
    caffe.set_random_seed(7)
    caffe.Net(file, caffe.TEST).save(str(tmp_path / "trained.caffemodel"))
    return file, str(tmp_path / "trained.caffemodel")


def test_classification(tmp_path, trained):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    net = caffe.Net(*trained, caffe.TEST)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", np.array([104, 117, 123]))
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    net.blobs["data"].reshape(2, 3, 17, 17)
    net.blobs["data"].data[...] = transformer.preprocess("data", caffe.io.load_image(tmp_path / "cat.png"))
    output = net.forward()
    first, second = output["probs"]
    assert first.sum() == pytest.approx(1, abs=1e-5) and np.array_equal(first, second)
    assert [(name, blob.data.shape) for name, blob in net.blobs.items()][1:3] == [("conv1", (2, 6, 8, 8)), ("pool1", (2, 6, 4, 4))]
    shapes = {name: (blobs[0].data.shape, blobs[1].data.shape) for name, blobs in net.params.items()}
    assert shapes["conv1"] == ((6, 3, 3, 3), (6,))
    feat = net.blobs["conv1"].data[0, :4]
    assert feat.min() == 0 and np.array_equal(np.sort(feat.flat), np.sort(feat.ravel()))


def test_surgery_of_a_filter(tmp_path):
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 8, 8]})
    n.conv = L.Convolution(n.data, num_output=3, kernel_size=5, weight_filler={"type": "gaussian", "std": 0.01})
    net = caffe.Net(saved(tmp_path, n), caffe.TEST)
    image = np.random.default_rng(1).random((12, 10)).astype(np.float32)
    net.blobs["data"].reshape(1, 1, 12, 10)
    net.blobs["data"].data[...] = image[np.newaxis, np.newaxis]
    net.forward()
    conv0 = net.blobs["conv"].data[0, 0]
    before = conv0.mean()
    net.params["conv"][1].data[0] = 1.0
    net.forward()
    assert conv0.mean() - before == pytest.approx(1, abs=1e-5)
    sobel = np.array((-1, -2, -1, 0, 0, 0, 1, 2, 1), np.float32).reshape(3, 3)
    net.params["conv"][0].data[1:] = 0
    net.params["conv"][0].data[1, 0, 1:-1, 1:-1] = sobel
    net.forward()
    assert net.blobs["conv"].data[0, 1, 0, 0] == pytest.approx((image[1:4, 1:4] * sobel).sum(), rel=1e-4)


def test_inner_products_become_convolutions(tmp_path, trained):
    net = caffe.Net(*trained, caffe.TEST)
    n = small_net(L.Input(shape={"dim": [1, 3, 33, 41]}))
    full = n.to_proto()
    for name, kernel, bottom in (("fc7", 4, "norm1"), ("fc8", 1, "fc7")):
        layer = next(layer for layer in full.layer if layer.name == name)
        count = layer.inner_product_param.num_output
        layer.Clear()
        layer.MergeFrom(caffe_pb2.LayerParameter(name=f"{name}-conv", type="Convolution", bottom=[bottom], top=[name]))
        layer.convolution_param.num_output = count
        layer.convolution_param.kernel_size.append(kernel)
    whole = caffe.Net(saved(tmp_path, full, "full.prototxt"), trained[1], caffe.TEST)
    for name in ("fc7", "fc8"):
        whole.params[f"{name}-conv"][0].data.flat = net.params[name][0].data.flat
        whole.params[f"{name}-conv"][1].data[...] = net.params[name][1].data
    whole.save(str(tmp_path / "full.caffemodel"))
    whole = caffe.Net(str(tmp_path / "full.prototxt"), str(tmp_path / "full.caffemodel"), caffe.TEST)
    image = np.random.default_rng(2).standard_normal((3, 33, 41)).astype(np.float32)
    out = whole.forward_all(data=np.asarray([image]))
    assert out["probs"].shape == (1, 4, 5, 7)
    net.blobs["data"].data[...] = image[:, 4:21, 8:25]  # a window is four pixels from the next
    assert np.allclose(net.forward()["probs"][0], out["probs"][0, :, 1, 2], atol=1e-5)


def test_fine_tuning(tmp_path, trained):
    images = np.random.default_rng(3).integers(0, 256, (8, 18, 18, 3), dtype=np.uint8)
    for index, image in enumerate(images):
        image[..., index % 2] = 0
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "list.txt").write_text("".join(f"{tmp_path}/{index}.png {index % 2}\n" for index in range(8)))

    def style_net(train):
        transform = {"mirror": train, "crop_size": 17, "scale": 0.01}
        source = str(tmp_path / "list.txt")
        data, label = L.ImageData(transform_param=transform, source=source, batch_size=8, new_height=18, new_width=18, ntop=2)
        net = small_net(data, 2, label, train, name="fc8_style", frozen=True)
        return saved(tmp_path, net, f"style_{train}.prototxt")

    dummy = caffe.Net(
        saved(tmp_path, small_net(L.DummyData(shape={"dim": [1, 3, 17, 17]})), "dummy.prototxt"), trained[1], caffe.TEST
    )
    with pytest.warns(UserWarning, match="no weights for 1 layer: fc8_style"):
        untrained = caffe.Net(style_net(False), trained[1], caffe.TEST)
    untrained.forward()
    batch, labels = untrained.blobs["data"].data.copy(), np.array(untrained.blobs["label"].data, np.int32)
    assert sorted(labels) == [0] * 4 + [1] * 4
    dummy.blobs["data"].data[0, ...] = batch[3]
    dummy.forward(start="conv1")
    assert ((untrained.blobs["fc7"].data[3] - dummy.blobs["fc7"].data[0]) ** 2).sum() < 1e-8

    s = caffe_pb2.SolverParameter(train_net=style_net(True), base_lr=0.02, lr_policy="step", gamma=0.1, stepsize=100, max_iter=100)
    s.momentum, s.weight_decay, s.iter_size, s.type, s.snapshot_prefix = 0.9, 5e-4, 1, "SGD", str(tmp_path / "style")
    s.random_seed = 2
    solver = caffe.get_solver(written(tmp_path, str(s), "solver.prototxt"))
    with pytest.warns(UserWarning, match="no weights for 1 layer"):
        solver.net.copy_from(trained[1])
    loss = []
    for _ in range(60):
        solver.step(1)
        loss.append(solver.net.blobs["loss"].data.copy())
    assert np.mean(loss[-5:]) < 0.8 * loss[0]
    assert np.array_equal(solver.net.params["conv1"][0].data, dummy.params["conv1"][0].data)  # lr_mult is 0
    solver.net.save(str(tmp_path / "tuned.caffemodel"))
    test_net = caffe.Net(style_net(False), str(tmp_path / "tuned.caffemodel"), caffe.TEST)
    accuracy = 0
    for _ in range(2):
        accuracy += test_net.forward()["acc"]
    assert accuracy / 2 >= 0.75


def test_siamese(tmp_path):
    n = caffe.NetSpec()
    n.pair, n.sim = L.DummyData(shape=[{"dim": [6, 2, 4, 4]}, {"dim": [6]}], data_filler=[{"type": "gaussian"}, {}], ntop=2)
    n.data, n.data_p = L.Slice(n.pair, slice_dim=1, slice_point=1, ntop=2)
    shared = [{"name": "feat_w"}, {"name": "feat_b"}]
    n.feat = L.InnerProduct(n.data, num_output=2, param=shared, weight_filler=XAVIER)
    n.feat_p = L.InnerProduct(n.data_p, num_output=2, param=shared, weight_filler=XAVIER)
    n.loss = L.ContrastiveLoss(n.feat, n.feat_p, n.sim, margin=1)
    net = caffe.Net(saved(tmp_path, n), caffe.TRAIN)
    assert net.params["feat"][0] is net.params["feat_p"][0]
    net.blobs["sim"].data[...] = 1
    net.forward()
    difference = net.blobs["feat"].data - net.blobs["feat_p"].data
    assert net.blobs["loss"].data == pytest.approx((difference**2).sum() / 12, rel=1e-5)
    net.backward()
    pairs = net.blobs["pair"].data
    wanted = (difference / 6).T @ (pairs[:, 0] - pairs[:, 1]).reshape(6, 16)
    assert np.allclose(net.params["feat"][0].diff, wanted, atol=1e-5)
    net.save(str(tmp_path / "siamese.caffemodel"))
    deploy = caffe.NetSpec()
    deploy.data = L.Input(shape={"dim": [4, 1, 4, 4]})
    deploy.feat = L.InnerProduct(deploy.data, num_output=2)
    one = caffe.Net(saved(tmp_path, deploy, "deploy.prototxt"), str(tmp_path / "siamese.caffemodel"), caffe.TEST)
    feat = one.forward_all(data=pairs[:, :1])["feat"]
    assert np.allclose(feat, net.blobs["feat"].data, atol=1e-5)


def bilinear(size):
    """The weights that interpolate (fcn.berkeleyvision.org's surgery.py has this filter)."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 == 1 else factor - 0.5
    grid = np.ogrid[:size, :size]
    return (1 - abs(grid[0] - center) / factor) * (1 - abs(grid[1] - center) / factor)


def test_surgery_of_fcn(tmp_path):
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 12, 12]})
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, pad=10, weight_filler=XAVIER)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.score_fr = L.Convolution(n.pool, num_output=2, kernel_size=1, weight_filler=XAVIER)
    n.upscore = L.Deconvolution(
        n.score_fr, convolution_param={"num_output": 2, "kernel_size": 4, "stride": 2, "bias_term": False}, param=[{"lr_mult": 0}]
    )
    n.score = caffe.coord_map.crop(n.upscore, n.data)
    net = caffe.Net(saved(tmp_path, n), caffe.TRAIN)
    for name in [name for name in net.params if "up" in name]:
        m, k, height, width = net.params[name][0].data.shape
        assert m == k and height == width
        net.params[name][0].data[range(m), range(k), :, :] = bilinear(height)
    net.params["score_fr"][0].data[...] = 0
    net.params["score_fr"][1].data[...] = [1, 2]
    net.blobs["data"].data[...] = np.random.default_rng(4).standard_normal((1, 3, 12, 12))
    score = net.forward()["score"]
    assert score.shape == (1, 2, 12, 12) and np.allclose(score[0, 0], 1, atol=1e-5) and np.allclose(score[0, 1], 2, atol=1e-5)
    assert net.blobs["score"].data[0].argmax(0).min() == 1
