"""Random small nets: layers of every kind that can run, one after another on whatever blobs there are."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

HEAD = """
force_backward: true
defaults InnerProduct { weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.1 } }
defaults Convolution { weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.1 } }
"""
PLAIN = [
    ("ReLU", ""),
    ("ReLU", "{ negative_slope: 0.1 }"),
    ("TanH", ""),
    ("Sigmoid", ""),
    ("Softmax", ""),
    ("Dropout", "{ dropout_ratio: 0.3 }"),
    ("LRN", "{ local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }"),
]
LIKELY = ["convolution", "plain"]
FROZEN = "param { lr_mult: 0 }"


@dataclass
class RandomNet:
    """A net in the making.  blobs: channels and side of each."""

    random: random.Random
    batch: int
    lines: list[str] = field(default_factory=list)
    blobs: dict[str, tuple[int, int]] = field(default_factory=dict)

    def layer(self, name: str) -> None:
        kinds = ["lrn", "pooling", "in place", "split", "eltwise", "concat", "reshape", "made up", "aside", *LIKELY * 2]
        bottom = self.random.choice(list(self.blobs))
        getattr(self, self.random.choice(kinds).replace(" ", "_"))(name, bottom, *self.blobs[bottom])

    def add(self, name: str, text: str, channels: int, side: int) -> None:
        self.lines.append(f"layer {name}: {text}")
        self.blobs[name] = (channels, side)

    def convolution(self, name: str, bottom: str, channels: int, side: int) -> None:
        """One bottom or two, weights of its own, frozen, or shared with all that have this shape."""
        group = self.random.choice([g for g in (1, 2, 3, 4) if channels % g == 0])
        outputs, kernel = group * self.random.randint(1, 4), self.random.choice([1, 3]) if side >= 3 else 1
        dilation = 2 if side >= 5 and kernel == 3 and self.random.random() < 0.2 else 1
        stride, pad = self.random.choice([1, 1, 2]), self.random.choice([0, kernel // 2])
        bias = self.random.choice(["true", "false"])
        shared = f'param {{ name: "w{channels}x{outputs}x{kernel}x{group}" }}'
        params = self.random.choice(["", "", FROZEN, shared])
        body = f"num_output: {outputs} kernel_size: {kernel} pad: {pad} stride: {stride} dilation: {dilation} group: {group} "
        after = (side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        bottoms, tops, down = bottom, name, self.random.choice(["", "", "", "propagate_down: false"])
        if self.random.random() < 0.2:
            down = down and "propagate_down: [true, false]"
            bottoms, tops = f"{bottom}, {self.alike(channels, side)}", f"{name}, {name}b"
            self.blobs[name + "b"] = (outputs, after)
        self.add(name, f"Convolution({bottoms}) -> {tops} {{ {body} bias_term: {bias} {params} {down} }}", outputs, after)

    def lrn(self, name: str, bottom: str, channels: int, side: int) -> None:
        group, size = self.random.choice([g for g in (1, 1, 2, 3) if channels % g == 0]), self.random.choice([1, 3, 5])
        self.add(name, f"LRN({bottom}) {{ local_size: {size} alpha: 0.5 group: {group} }}", channels, side)

    def pooling(self, name: str, bottom: str, channels: int, side: int) -> None:
        if side < 2:
            return
        stride, method = self.random.choice([1, 2]), self.random.choice(["MAX", "AVE"])
        body = f"pool: {method} kernel_size: 2 stride: {stride}"
        self.add(name, f"Pooling({bottom}) {{ {body} }}", channels, -(-(side - 2) // stride) + 1)

    def plain(self, name: str, bottom: str, channels: int, side: int) -> None:
        kind, body = self.random.choice(PLAIN)
        self.add(name, f"{kind}({bottom}) {body}", channels, side)

    def in_place(self, name: str, bottom: str, channels: int, side: int) -> None:
        if bottom != "data":
            self.lines.append(f"layer {name}: ReLU({bottom}) -> {bottom}")

    def split(self, name: str, bottom: str, channels: int, side: int) -> None:
        self.lines.append(f"layer {name}: Split({bottom}) -> {name}, {name}b")
        self.blobs[name] = self.blobs[name + "b"] = (channels, side)

    def eltwise(self, name: str, bottom: str, channels: int, side: int) -> None:
        bottoms = [self.alike(channels, side) for _ in range(self.random.choice([2, 3]))]
        operation = self.random.choice(["SUM", "PROD", "MAX"])
        factors = " ".join(f"coeff: {self.random.choice([1, -1, 0.5])}" for _ in bottoms)
        body = f"operation: {operation} {factors if operation == 'SUM' and self.random.random() < 0.5 else ''}"
        self.add(name, f"Eltwise({', '.join(bottoms)}) {{ {body} }}", channels, side)

    def alike(self, channels: int, side: int) -> str:
        """A blob of this shape."""
        return self.random.choice([other for other, shape in self.blobs.items() if shape == (channels, side)])

    def reshape(self, name: str, bottom: str, channels: int, side: int) -> None:
        """Pixels to channels, or channels to pixels."""
        if side > 1 and channels * side * side <= 72:
            self.add(name, f"Reshape({bottom}) {{ shape {{ dim: [0, -1, 1, 1] }} }}", channels * side * side, 1)
        elif side == 1 and channels % 9 == 0:
            self.add(name, f"Reshape({bottom}) {{ shape {{ dim: [0, {channels // 9}, 3, 3] }} }}", channels // 9, 3)

    def made_up(self, name: str, bottom: str, channels: int, side: int) -> None:
        filler = self.random.choice(["constant", "gaussian", "uniform"])
        shape = f"shape {{ dim: [{self.batch}, {channels}, {side}, {side}] }}"
        self.add(name, f'DummyData {{ {shape} data_filler {{ type: "{filler}" value: 0.5 }} }}', channels, side)

    def concat(self, name: str, bottom: str, channels: int, side: int) -> None:
        alike = [other for other, shape in self.blobs.items() if shape[1] == side]
        bottoms = [self.random.choice(alike) for _ in range(self.random.choice([2, 3]))]
        self.add(name, f"Concat({', '.join(bottoms)})", sum(self.blobs[other][0] for other in bottoms), side)

    def aside(self, name: str, bottom: str, channels: int, side: int) -> None:
        """A fully connected layer, and perhaps what comes around one, a loss among it."""
        if self.random.random() < 0.5:
            self.lines.append(f"layer {name}f: Flatten({bottom})")
            bottom = f"{name}f"
        transpose = self.random.choice(["true", "false"])
        outputs = self.random.randint(1, 6)
        self.lines.append(f"layer {name}: InnerProduct({bottom}) {{ num_output: {outputs} transpose: {transpose} }}")
        if self.random.random() < 0.5:
            self.lines.append(f"layer {name}d: Dropout({name}) -> {name}")
        if outputs == 5:
            body = f"loss_weight: 0.3 {self.loss_settings()}"
            self.lines.append(f"layer {name}loss: SoftmaxWithLoss({name}, label) {{ {body} }}")

    def loss_settings(self) -> str:
        ignored = self.random.choice(["", f"ignore_label: {self.random.randrange(5)}"])
        return f"loss_param {{ {ignored} normalization: {self.random.choice(['FULL', 'VALID', 'BATCH_SIZE', 'NONE'])} }}"


def random_net(seed: int) -> str:
    """The text of a net; the same seed gives the same."""
    draw = random.Random(seed)
    batch, channels, side = draw.choice([1, 2, 3, 5, 8]), draw.choice([1, 2, 3, 4, 6]), draw.choice([6, 7, 8])
    data = f"layer data: Input -> data, label {{ shape {{ dim: [{batch}, {channels}, {side}, {side}] }} shape {{ dim: {batch} }} }}"
    net = RandomNet(draw, batch, [data], {"data": (channels, side)})
    for number in range(1, draw.randint(4, 10)):
        net.layer(f"l{number}")
    if draw.random() < 0.3:
        chosen = draw.randrange(1, len(net.lines)) if len(net.lines) > 1 else 0
        line = net.lines[chosen]
        if chosen:
            net.lines[chosen] = line[:-1] + " device: 1 }" if line.endswith("}") else line + " { device: 1 }"
    last = draw.choice(list(net.blobs)[len(net.blobs) // 2 :])
    net.lines.append(f"layer out: InnerProduct({last}) {{ num_output: 5 }}")
    net.lines.append(f"layer loss: SoftmaxWithLoss(out, label) {{ {net.loss_settings()} }}")
    if draw.random() < 0.5:
        net.lines.append(f"layer hits: Accuracy(out, label) {{ top_k: {draw.choice([1, 2])} }}")
    return HEAD + "\n".join(net.lines) + "\n"
