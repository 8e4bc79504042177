"""Faster R-CNN learns end to end where Python layers give its images and targets, as its authors' code does."""

import numpy as np
import pytest

import netdef
import runtime
from tests.runtime.ops.python.layers import write

pytestmark = pytest.mark.filterwarnings("ignore::runtime.ops.python.modules.UserCodeRemark")

# Each image, of another size, has one white square of 16 pixels, which is an object of class 1.
TARGETS = """
import caffe
import numpy as np

STRIDE, SAME = 16, 12  # SAME: as many images in turn have one size


class NoGradient(caffe.Layer):
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        pass

    def backward(self, top, propagate_down, bottom):
        pass


class Images(NoGradient):
    run = 0

    def setup(self, bottom, top):
        self.reshape(bottom, top)

    def reshape(self, bottom, top):
        self.rows, self.columns = 2, 3 - self.run // SAME % 2
        top[0].reshape(1, 1, STRIDE * self.rows, STRIDE * self.columns)
        top[1].reshape(1, 3)
        top[2].reshape(1, 5)

    def forward(self, bottom, top):
        x, y = STRIDE * (self.run % self.columns), STRIDE * (self.run % self.rows)
        top[0].data[...] = 0
        top[0].data[0, 0, y : y + STRIDE, x : x + STRIDE] = 1
        top[1].data[0] = (*top[0].shape[2:], 1)
        top[2].data[0] = (x, y, x + STRIDE - 1, y + STRIDE - 1, 1)
        self.run += 1


class AnchorTargets(NoGradient):
    def reshape(self, bottom, top):
        rows, columns = bottom[0].shape[2:]
        top[0].reshape(1, 1, rows, columns)
        for one in top[1:]:
            one.reshape(1, 4, rows, columns)

    def forward(self, bottom, top):
        x, y = (bottom[1].data[0, :2] / STRIDE).astype(int)
        for one in top:
            one.data[...] = 0
        top[0].data[0, 0, y, x] = 1
        top[2].data[0, :, y, x] = 1
        top[3].data[...] = 1


class RegionTargets(NoGradient):
    def reshape(self, bottom, top):
        self.sized(top, 4)

    def sized(self, top, count):
        top[0].reshape(count, 5)
        top[1].reshape(count)
        for one in top[2:]:
            one.reshape(count, 8)

    def forward(self, bottom, top):
        proposed = bottom[0].data[bottom[0].data[:, 0] >= 0]
        regions = np.concatenate([[[0, *bottom[1].data[0, :4]]], proposed[:3]])
        self.sized(top, len(regions))
        apart = np.abs(regions[:, 1:3] - bottom[1].data[0, :2]).max(axis=1)
        top[0].data[...] = regions
        top[1].data[...] = apart < STRIDE / 2
        top[2].data[...] = 0
        for one in top[3:]:
            one.data[...] = np.repeat([[0, 1]], 4, axis=1) * top[1].data[:, None]
"""
NET = """
train layer data: Python -> data, im_info, gt_boxes { module: "targets" layer: "Images" }
test layer data: Input -> data, im_info { shape { dim: [1, 1, 32, 48] } shape { dim: [1, 3] } }
defaults Convolution { weight_filler { type: "xavier" } }
defaults InnerProduct { weight_filler { type: "xavier" } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 16 stride: 16 }
layer tanh: TanH(conv) -> conv
layer rpn_cls_score: Convolution(conv) { num_output: 2 kernel_size: 1 }
layer rpn_bbox_pred: Convolution(conv) { num_output: 4 kernel_size: 1 weight_filler { std: 0.01 type: "gaussian" } }
train layer rpn-data: Python(rpn_cls_score, gt_boxes) -> rpn_labels, rpn_targets, rpn_inside, rpn_outside {
  module: "targets" layer: "AnchorTargets"
}
train layer rpn_loss_cls: SoftmaxWithLoss(rpn_cls_score, rpn_labels) { ignore_label: -1 }
train layer rpn_loss_bbox: SmoothL1Loss(rpn_bbox_pred, rpn_targets, rpn_inside, rpn_outside) { sigma: 3 }
layer rpn_cls_prob: Softmax(rpn_cls_score)
train layer proposal: Proposal(rpn_cls_prob, rpn_bbox_pred, im_info) -> rpn_rois { ratio: 1 scale: 1 min_size: 8 post_nms_topn: 6 }
test layer proposal: Proposal(rpn_cls_prob, rpn_bbox_pred, im_info) -> rois { ratio: 1 scale: 1 min_size: 8 post_nms_topn: 1 }
train layer roi-data: Python(rpn_rois, gt_boxes) -> rois, labels, bbox_targets, bbox_inside, bbox_outside {
  module: "targets" layer: "RegionTargets"
}
layer pool: ROIAlign(conv, rois) { pooled_w: 2 pooled_h: 2 spatial_scale: 0.0625 }
layer cls_score: InnerProduct(pool) { num_output: 2 }
layer bbox_pred: InnerProduct(pool) { num_output: 8 weight_filler { std: 0.01 type: "gaussian" } }
train layer loss_cls: SoftmaxWithLoss(cls_score, labels)
train layer loss_bbox: SmoothL1Loss(bbox_pred, bbox_targets, bbox_inside, bbox_outside)
test layer cls_prob: Softmax(cls_score)
"""
SOLVER = 'base_lr: 0.02 momentum: 0.9 lr_policy: "fixed" max_iter: 24 random_seed: 3 display: 0 snapshot_after_train: false'


def test_images_of_many_sizes_with_targets_of_python_layers(folder):
    write(folder, "targets.py", TARGETS)
    net = write(folder, "faster.net", NET)
    with runtime.Solver(SOLVER, net, "cpu", allow_python=True) as solver:
        for _ in range(24):
            assert np.isfinite(solver.step())
        with runtime.compile(netdef.load(net, "test"), "cpu") as exe:
            for layer in ("conv", "rpn_cls_score", "rpn_bbox_pred", "cls_score", "bbox_pred"):
                for index in (0, 1):
                    exe.set_param(layer, index, solver.executable.param(layer, index))
            image = np.zeros((1, 1, 32, 48))
            image[:, :, 16:, 32:] = 1
            found = exe.forward(data=image, im_info=[[32, 48, 1]])
            np.testing.assert_allclose(exe.blob("rois"), [[0, 32, 16, 47, 31]], atol=2)
            assert found["cls_prob"][0, 1] > 0.8
