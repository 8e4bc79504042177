"""Python layers in running nets: pycaffe's interface, and the numbers of the native layers."""

import sys

import numpy as np
import pytest

import netdef
import runtime
from netdef.language import NetdefError
from runtime.ops.python.modules import UserCodeRemark
from tests.runtime.ops.python.layers import NET, write

pytestmark = pytest.mark.filterwarnings("ignore::runtime.ops.python.modules.UserCodeRemark")

IMPORTS = "import caffe\nimport numpy as np\n"


def compiled(folder, code, text, **options):
    write(folder, "mine.py", IMPORTS + code)
    return runtime.compile(write(folder, "a.net", text), allow_python=True, seed=1, **options)


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
def test_a_loss_has_the_numbers_of_the_native_one(folder, devices):
    native = NET.replace('Python(fc, y) { module: "distance" layer: "Distance" loss_weight: 1 }', "EuclideanLoss(fc, y)")
    with (
        runtime.compile(write(folder, "a.net", NET), devices, seed=1, allow_python=True) as mine,
        runtime.compile(write(folder, "b.net", native), devices, seed=1) as theirs,
    ):
        for _ in range(2):
            assert mine.forward()["loss"][0] == pytest.approx(float(theirs.forward()["loss"]), rel=1e-6)
            mine.backward()
            theirs.backward()
            for index in (0, 1):
                assert mine.param_grad("fc", index).tobytes() == theirs.param_grad("fc", index).tobytes()


def test_bottoms_have_batch_channels_rows_and_columns(folder):
    code = """
class L(caffe.Layer):
    def setup(self, bottom, top):
        self.scale = float(self.param_str)

    def reshape(self, bottom, top):
        x = bottom[0]
        assert (x.num, x.channels, x.height, x.width, x.count) == (2, 3, 4, 5, 120) and tuple(x.shape) == (2, 3, 4, 5)
        assert (bottom[1].num, bottom[1].channels) == (2, 1)
        top[0].reshape(x.num, x.width, x.channels)
        top[1].reshape()

    def forward(self, bottom, top):
        top[0].data[...] = self.scale * bottom[0].data.sum(axis=2).transpose(0, 2, 1)
        top[1].data[...] = self.phase
"""
    text = """
layer data: Input -> x, label { shape { dim: [2, 3, 4, 5] } shape { dim: 2 } }
layer p: Python(x, label) -> y, phase { module: "mine" layer: "L" param_str: "2.5" }
"""
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5), dtype=np.float32)
    with compiled(folder, code, text, backward=False) as exe:
        found = exe.forward(x=x, label=[0, 1])
        assert np.allclose(found["y"], 2.5 * x.sum(axis=2).transpose(0, 2, 1), rtol=1e-6) and found["y"].shape == (2, 5, 3)
        assert found["phase"] == 1
    with runtime.python_allowed():
        net = netdef.load(folder / "a.net", phase="train")
    with runtime.compile(net, backward=False) as exe:
        assert exe.forward(x=x, label=[0, 1])["phase"] == 0


def test_own_parameters_learn_and_are_saved(folder):
    """y = a x + b with both in self.blobs; the gradient of a mean square error is known."""
    code = """
class Line(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 2

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data * bottom[0].data + self.blobs[1].data

    def backward(self, top, propagate_down, bottom):
        assert list(propagate_down) == [False]
        self.blobs[0].diff[0] += (top[0].diff * bottom[0].data).sum()
        self.blobs[1].diff[0] += top[0].diff.sum()
"""
    text = """
layer data: Input -> x, t { shape { dim: [8, 1] } shape { dim: [8, 1] } }
layer line: Python(x) -> y { module: "mine" layer: "Line" }
layer loss: EuclideanLoss(y, t)
"""
    x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    with compiled(folder, code, text) as exe:
        assert exe.param("line", 0) == 2
        for _ in range(2):  # gradients are not added to those of the run before
            exe.forward(x=x, t=x + 1)
            exe.backward()
            residual = 2 * x - (x + 1)
            assert exe.param_grad("line", 0) == pytest.approx((residual * x).mean(), rel=1e-5)
            assert exe.param_grad("line", 1) == pytest.approx(residual.mean(), rel=1e-5)
        exe.set_param("line", 1, [0.5])
        exe.save_weights(folder / "w.caffemodel")
    with compiled(folder, code, text) as exe:
        exe.load_weights(folder / "w.caffemodel")
        assert np.allclose(exe.forward(x=x, t=x)["loss"], ((x + 0.5) ** 2).mean() / 2)


def test_a_gradient_through_a_layer(folder):
    code = """
class Cube(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data ** 3
    def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = 3 * bottom[0].data ** 2 * top[0].diff
"""
    text = """
force_backward: true
layer data: Input -> x { shape { dim: [2, 3, 2, 2] } }
layer a: Python(x) -> y { module: "mine" layer: "Cube" }
layer b: Python(y) -> z { module: "mine" layer: "Cube" }
"""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 2, 2)).astype(np.float32)
    dy = np.random.default_rng(1).standard_normal(x.shape, dtype=np.float32)
    with compiled(folder, code, text) as exe:
        exe.forward(x=x)
        exe.backward(z=dy)
        assert np.allclose(exe.blob("z"), x**9, rtol=1e-5)
        assert np.allclose(exe.blob_grad("x"), 9 * x**8 * dy, rtol=1e-4)


def test_in_place(folder):
    code = """
class Double(caffe.Layer):
    def setup(self, bottom, top): assert top[0] is bottom[0]
    def reshape(self, bottom, top): pass
    def forward(self, bottom, top): top[0].data[...] *= 2
    def backward(self, top, propagate_down, bottom): bottom[0].diff[...] *= 2
"""
    text = """
force_backward: true
layer data: Input -> x { shape { dim: [2, 3] } }
layer a: Python(x) -> x { module: "mine" layer: "Double" }
"""
    with compiled(folder, code, text) as exe:
        assert (exe.forward(x=np.ones((2, 3)))["x"] == 2).all()
        exe.backward(x=np.ones((2, 3)))
        assert (exe.blob_grad("x") == 2).all()


SOURCE = """
class Source(caffe.Layer):
    def setup(self, bottom, top):
        self.n = 0

    def reshape(self, bottom, top):
        top[0].reshape(2, 3, 4, 4)
        top[1].reshape(2)

    def forward(self, bottom, top):
        self.n += 1
        top[0].data[...] = self.n
        top[1].data[...] = self.n % 2

    def backward(self, top, propagate_down, bottom):
        pass
"""
SOURCED = """
layer data: Python -> data, label { module: "mine" layer: "Source" }
layer fc: InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
def test_a_source(folder, devices):
    with compiled(folder, SOURCE, SOURCED, devices=devices, keep="all") as exe:
        for run in (1, 2, 3):
            exe.forward()
            assert (exe.blob("data") == run).all() and (exe.blob("label") == run % 2).all()


def test_looking_for_the_first_bad_layer_takes_no_batch(folder):
    code = SOURCE.replace("= self.n\n", "= np.nan if self.n == 2 else self.n\n")
    with compiled(folder, code, SOURCED, keep="activations") as exe:
        assert np.isfinite(exe.forward()["loss"])
        assert np.isnan(exe.forward()["loss"])
        assert exe.first_non_finite() == "cpu:0, python_forward of layer data"
        exe.forward()
        assert (exe.blob("data") == 3).all()


SHOWN = 'layer { name: "show" type: "Python" bottom: "x" python_param { module: "mine" layer: "Show" } }'


def test_an_interrupt_comes_through(folder):
    code = SOURCE.replace(
        "        self.n += 1\n", "        self.n += 1\n        if self.n == 2:\n            raise KeyboardInterrupt\n"
    )
    with compiled(folder, code, SOURCED, keep="all") as exe:
        exe.forward()
        with pytest.raises(KeyboardInterrupt):
            exe.forward()
        exe.forward()
        assert (exe.blob("data") == 3).all()


def test_a_layer_without_tops(folder):
    code = """
class Show(caffe.Layer):
    seen = []
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): pass
    def forward(self, bottom, top): self.seen.append(float(bottom[0].data.sum()))
"""
    text = "layer data: Input -> x { shape { dim: [2, 3] } }\n" + SHOWN
    with compiled(folder, code, text, backward=False) as exe:
        exe.forward(x=np.ones((2, 3)))
        assert sys.modules["mine"].Show.seen == [6.0]


def test_another_batch_size_sets_nothing_up_anew(folder):
    code = """
class Count(caffe.Layer):
    def setup(self, bottom, top): self.calls = ["setup"]
    def reshape(self, bottom, top):
        self.calls.append("reshape")
        top[0].reshape(bottom[0].num)
    def forward(self, bottom, top):
        top[0].data[...] = self.calls.count("setup")
"""
    text = 'layer data: Input -> x { shape { dim: [2, 3] } }\nlayer p: Python(x) -> y { module: "mine" layer: "Count" }'
    write(folder, "mine.py", IMPORTS + code)
    with runtime.python_allowed():
        net = netdef.load(write(folder, "a.net", text))
    with runtime.compile(net, batch_size=5, backward=False) as exe:
        assert exe.forward(x=np.ones((5, 3)))["y"].tolist() == [1] * 5


SIZES = """
class Images(caffe.Layer):
    def setup(self, bottom, top):
        self.n = 0
        self.loads = 0

    def reshape(self, bottom, top):
        self.loads += 1
        self.image = np.random.default_rng(self.n).standard_normal((3, 8 + self.n % 3, 9 - self.n % 2))
        top[0].reshape(1, *self.image.shape)
        top[1].reshape(1, 1, *self.image.shape[1:])

    def forward(self, bottom, top):
        top[0].data[...] = self.image
        top[1].data[...] = self.image[:1] > 0
        self.n += 1

    def backward(self, top, propagate_down, bottom):
        pass

class Chosen(caffe.Layer):
    def setup(self, bottom, top):
        top[0].reshape(1, 3)
        self.calls = 0

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        self.calls += 1
        rows = bottom[0].data[0].reshape(3, -1).T
        self.rows = np.flatnonzero(rows[:, 0] > 0)
        top[0].reshape(len(self.rows), 3)
        top[0].data[...] = rows[self.rows]

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 0
        bottom[0].diff[0].reshape(3, -1)[:, self.rows] = top[0].diff.T
"""
SIZED = """
layer data: Python -> data, label { module: "mine" layer: "Images" }
layer score: Convolution(data) { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(score, label)
"""


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
def test_a_source_of_images_of_many_sizes(folder, devices):
    """As those of fully convolutional nets: each run has the numbers of a net of that size alone."""
    same = SIZED.replace('Python -> data, label { module: "mine" layer: "Images" }', "Input -> data, label { SHAPES }")
    with compiled(folder, SIZES, SIZED, devices=devices) as exe:
        for run in range(5):
            image = np.random.default_rng(run).standard_normal((3, 8 + run % 3, 9 - run % 2))
            rows, columns = image.shape[1:]
            shapes = f"shape {{ dim: [1, 3, {rows}, {columns}] }} shape {{ dim: [1, 1, {rows}, {columns}] }}"
            loss = exe.forward()["loss"]
            assert exe.net.blobs["score"].shape == (1, 2, rows, columns)
            exe.backward()
            with runtime.compile(write(folder, "b.net", same.replace("SHAPES", shapes)), devices, seed=1) as other:
                assert other.forward(data=image[None], label=image[None, :1] > 0)["loss"] == loss
                other.backward()
                assert other.param_grad("score", 0).tobytes() == exe.param_grad("score", 0).tobytes()
        source = exe.net.layer("data").user._object
        assert (source.n, source.loads) == (5, 6)  # once when it was compiled, and once a run


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
def test_a_layer_that_makes_as_many_rows_as_it_finds(folder, devices):
    text = """
force_backward: true
layer data: Input -> data { shape { dim: [1, 3, 6, 5] } }
layer chosen: Python(data) -> chosen { module: "mine" layer: "Chosen" }
layer fc: InnerProduct(chosen) { num_output: 2 weight_filler { type: "xavier" } }
"""
    with compiled(folder, SIZES, text, devices=devices, keep="all") as exe:
        for run in range(1, 5):
            x = np.random.default_rng(run).standard_normal((1, 3, 6, 5), dtype=np.float32)
            exe.forward(data=x)
            rows = x[0].reshape(3, -1).T
            kept = rows[:, 0] > 0
            assert exe.net.layer("chosen").user._object.calls == run
            assert exe.blob("fc") == pytest.approx(rows[kept] @ exe.param("fc", 0).T, abs=1e-5)
            exe.backward(fc=np.ones((kept.sum(), 2)))
            through = np.outer(kept, exe.param("fc", 0).sum(axis=0))
            assert pytest.approx(through, abs=1e-5) == exe.blob_grad("data").reshape(3, -1).T


NORMALISED = """
layer norm: BatchNorm(data)
layer chosen: Python(norm) -> chosen { module: "mine" layer: "Chosen" }
layer fc: InnerProduct(chosen) { num_output: 2 }
"""


def test_a_shape_that_changes_behind_running_statistics_is_refused(folder):
    """What runs again would add the batch to them twice."""
    write(folder, "mine.py", IMPORTS + SIZES)
    data = "layer data: Input -> data { shape { dim: [1, 3, 6, 5] } }"
    with runtime.python_allowed():
        net = netdef.load(write(folder, "a.net", data + NORMALISED), phase="train")
    with (
        runtime.compile(net) as exe,
        pytest.raises(NetdefError, match=r"it was 1 x 3: layer norm before it keeps sums, and would run twice"),
    ):
        exe.forward(data=np.random.default_rng(0).standard_normal((1, 3, 6, 5)))


def test_running_statistics_of_images_of_many_sizes(folder):
    write(folder, "mine.py", IMPORTS + SIZES)
    text = SIZED.replace("Convolution(data)", "Convolution(norm)").replace(
        "layer score", "layer norm: BatchNorm(data)\nlayer score"
    )
    solver = 'base_lr: 0 lr_policy: "fixed" max_iter: 9 iter_size: 2'
    with runtime.Solver(solver, write(folder, "a.net", text), "cpu", allow_python=True) as run:
        run.step(2)
        sums = np.zeros(3)
        for n in range(4):
            image = np.random.default_rng(n).standard_normal((3, 8 + n % 3, 9 - n % 2))
            sums = 0.999 * sums + image.mean(axis=(1, 2))
        assert run.executable.param("norm", 0) == pytest.approx(sums, abs=1e-6)


def test_a_solver_trains_on_images_of_many_sizes(folder):
    """Momentum and the sums of several batches last through changes of shape: the weights are those of a solver in NumPy."""
    write(folder, "mine.py", IMPORTS + SIZES)
    text = 'base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 9 random_seed: 1 iter_size: 2 test_iter: 3 test_interval: 100'
    with runtime.Solver(text, write(folder, "a.net", SIZED), "cpu", allow_python=True) as solver:
        mirror = runtime.compile(str(folder / "a.net"), allow_python=True, seed=1)
        assert solver.tests[0].executable.param("score", 0).tobytes() == mirror.param("score", 0).tobytes()
        history = [0.0, 0.0]
        for _ in range(3):
            gradients = [0.0, 0.0]
            for _ in range(2):
                mirror.forward()
                mirror.backward()
                gradients = [total + mirror.param_grad("score", index) / 2 for index, total in enumerate(gradients)]
            for index in (0, 1):
                history[index] = 0.9 * history[index] + 0.1 * gradients[index]
                mirror.set_param("score", index, mirror.param("score", index) - history[index])
            solver.step()
            for index in (0, 1):
                assert solver.executable.param("score", index) == pytest.approx(mirror.param("score", index), rel=1e-4, abs=1e-6)
        (tested,) = solver.test()
        assert np.isfinite(tested.loss)
        mirror.close()


def said(folder, code, text, **options):
    with pytest.raises(NetdefError) as raised, compiled(folder, code, text, **options) as exe:
        exe.forward()
    return str(raised.value)


COPY = """
class Copy(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data
"""
COPIED = """layer data: DummyData -> x { shape { dim: [2, 3] } }
layer p: Python(x) -> y { module: "mine" layer: "Copy" }
layer fc: InnerProduct(y) { num_output: 2 }
layer q: Python(fc) -> z { module: "mine" layer: "Copy" }
"""


def test_a_missing_backward_is_an_error_where_a_gradient_goes_through(folder):
    text = said(folder, COPY, COPIED)
    assert "a.net:4:" in text and "Python q: class mine.Copy has no method backward, and a gradient goes through it" in text
    with compiled(folder, COPY, COPIED.replace("layer q: Python(fc)", "layer q: Python(x)")) as exe:  # none does
        exe.forward()
        exe.backward()


@pytest.mark.parametrize("method", ["setup", "reshape", "forward"])
def test_a_missing_method(folder, method):
    text = said(folder, COPY.replace(method, "other", 1), COPIED, backward=False)
    assert "a.net:2:" in text and f"class mine.Copy has no method {method}" in text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("top[0].reshape(*bottom[0].shape)", "pass", "mine.Copy gives top y no shape"),
        ("top[0].reshape(*bottom[0].shape)", "top[0].reshape(0, 3)", "mine.Copy makes top y empty: 0 x 3"),
        ("top[0].data[...] = bottom[0].data", "top[0].reshape(0)", "mine.Copy makes top y empty: 0"),
        ("top[0].reshape(*bottom[0].shape)", "top[0].reshape(2, -3)", "raised ValueError: a blob cannot have shape (2, -3)"),
        ("top[0].reshape(*bottom[0].shape)", "top[0].reshape(2, 1.5)", "raised TypeError"),
        ("top[0].data[...] = bottom[0].data", "top[0].data = bottom[0].data", "data cannot be replaced: write into it"),
        ("top[0].data[...] = bottom[0].data", "top[0].data[...] = np.ones((7, 7))", "could not broadcast"),
        ("top[0].data[...] = bottom[0].data", "top[0].data[...] = ['a']", "raised ValueError: could not convert string to float"),
    ],
)
def test_bad_tops(folder, old, new, text):
    found = said(folder, COPY.replace(old, new), COPIED, backward=False)
    assert text in found and "a.net:2:" in found


def test_not_allowed(folder):
    path = write(folder, "a.net", NET)
    with pytest.raises(
        NetdefError, match=r"only distance\.Distance gives the shapes .*unless it is allowed(.|\n)*allow_python=True"
    ):
        runtime.compile(path)
    shown = "layer data: Input -> x { shape { dim: [2, 3] } }\n" + SHOWN
    with pytest.raises(NetdefError, match="unless it is allowed"):
        runtime.compile(write(folder, "b.net", shown))


def test_a_line_is_said_before_a_module_is_imported(folder):
    with pytest.warns(UserCodeRemark, match=rf"importing {folder}/distance\.py, the Python code of layer loss"):
        runtime.compile(write(folder, "a.net", NET), allow_python=True).close()
