import caffe
import numpy as np


class Huber(caffe.Layer):
    """The mean over images of delta^2 * (sqrt(1 + (d / delta)^2) - 1), summed over d = bottom[0] - bottom[1]."""

    def setup(self, bottom, top):
        self.delta = float(self.param_str)

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        self.root = np.sqrt(1 + (self.difference / self.delta) ** 2)
        top[0].data[0] = self.delta**2 * (self.root - 1).sum() / bottom[0].num

    def backward(self, top, propagate_down, bottom):
        gradient = top[0].diff[0] * self.difference / self.root / bottom[0].num
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * gradient
