"""Small nets and solvers that train in milliseconds."""

IMAGES = """
name: "small"
layer data: DummyData -> data, label {
  dummy_data_param {
    shape { dim: 8 dim: 3 dim: 12 dim: 12 } shape { dim: 8 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" min: 0 max: 2.9 }
  }
}
layer conv: Convolution(data) { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer drop: Dropout(conv) -> conv { dropout_ratio: 0.4 }
layer fc: InnerProduct(conv) { num_output: 3 weight_filler { type: "gaussian" std: 0.05 } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""

SEQUENCES = """
name: "sequences"
layer data: DummyData -> data, label, cont {
  dummy_data_param {
    shape { dim: 5 dim: 3 dim: 4 } shape { dim: 5 } shape { dim: 5 dim: 3 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" max: 2.9 } data_filler { value: 1 }
  }
}
layer lstm: LSTM(data, cont) { num_output: 6 weight_filler { type: "uniform" min: -1 } }
layer fc: InnerProduct(lstm) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""

SOLVER = """
base_lr: 0.02 lr_policy: "multistep" gamma: 0.5 stepvalue: [3, 7] momentum: 0.9 weight_decay: 0.001
max_iter: 10 average_loss: 3 random_seed: 5
"""
