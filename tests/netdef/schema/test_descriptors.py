"""The vocabulary is Caffe's: names, numbers, types, defaults, and the bytes of its files."""

import runpy

import pytest
from google.protobuf import descriptor_pb2

from netdef import schema
from tests.paths import ROOT

GOLDENS = ROOT / "tests" / "goldens" / "files"

# message, field, number, default: a sample of every message that a Caffe file may hold.
CAFFE = """
AccuracyParameter.axis 2 1
AccuracyParameter.top_k 1 1
ArgMaxParameter.out_max_val 1 False
BatchNormParameter.eps 3 1e-05
BatchNormParameter.moving_average_fraction 2 0.999
BiasParameter.num_axes 2 1
BlobProto.data 5 -
BlobProto.double_diff 9 -
BlobProto.shape 7 -
BlobProto.width 4 0
ClipParameter.max 2 -
ConcatParameter.axis 2 1
ConcatParameter.concat_dim 1 1
ContrastiveLossParameter.margin 1 1.0
ConvolutionParameter.axis 16 1
ConvolutionParameter.bias_term 2 True
ConvolutionParameter.dilation 18 -
ConvolutionParameter.engine 15 0
ConvolutionParameter.force_nd_im2col 17 False
ConvolutionParameter.group 5 1
ConvolutionParameter.kernel_size 4 -
ConvolutionParameter.pad_w 10 0
ConvolutionParameter.stride 6 -
ConvolutionParameter.stride_w 14 0
CropParameter.axis 1 2
DataParameter.backend 8 0
DataParameter.prefetch 10 4
Datum.encoded 7 False
Datum.float_data 6 -
DropoutParameter.dropout_ratio 1 0.5
DropoutParameter.scale_train 2 True
DummyDataParameter.shape 6 -
EltwiseParameter.operation 1 1
EltwiseParameter.stable_prod_grad 3 True
ELUParameter.alpha 1 1.0
EmbedParameter.input_dim 2 0
ExpParameter.base 1 -1.0
FillerParameter.max 4 1.0
FillerParameter.sparse 7 -1
FillerParameter.std 6 1.0
FillerParameter.type 1 constant
FillerParameter.variance_norm 8 0
FlattenParameter.end_axis 2 -1
HDF5DataParameter.shuffle 3 False
HingeLossParameter.norm 1 1
ImageDataParameter.batch_size 4 1
ImageDataParameter.is_color 11 True
ImageDataParameter.root_folder 12 -
InfogainLossParameter.axis 2 1
InnerProductParameter.transpose 6 False
InputParameter.shape 1 -
LayerParameter.blobs 7 -
LayerParameter.clip_param 148 -
LayerParameter.convolution_param 106 -
LayerParameter.crop_param 144 -
LayerParameter.include 8 -
LayerParameter.loss_weight 5 -
LayerParameter.lrn_param 118 -
LayerParameter.phase 10 0
LayerParameter.propagate_down 11 -
LayerParameter.recurrent_param 146 -
LayerParameter.spp_param 132 -
LayerParameter.swish_param 147 -
LayerParameter.transform_param 100 -
LogParameter.shift 3 0.0
LossParameter.normalization 3 1
LossParameter.normalize 2 False
LRNParameter.alpha 2 1.0
LRNParameter.beta 3 0.75
LRNParameter.k 5 1.0
LRNParameter.local_size 1 5
MVNParameter.eps 3 1e-09
NetParameter.input_dim 4 -
NetParameter.input_shape 8 -
NetParameter.layer 100 -
NetParameter.layers 2 -
NetState.phase 1 1
NetStateRule.not_stage 5 -
ParamSpec.decay_mult 4 1.0
ParamSpec.share_mode 2 0
PoolingParameter.global_pooling 12 False
PoolingParameter.kernel_size 2 0
PoolingParameter.pool 1 0
PoolingParameter.round_mode 13 0
PoolingParameter.stride 3 1
PReLUParameter.channel_shared 2 False
PythonParameter.param_str 3 -
RecurrentParameter.expose_hidden 5 False
ReductionParameter.operation 1 1
ReshapeParameter.num_axes 3 -1
ScaleParameter.bias_term 4 False
SliceParameter.slice_point 2 -
SolverParameter.average_loss 33 1
SolverParameter.clip_gradients 35 -1.0
SolverParameter.delta 31 1e-08
SolverParameter.iter_size 36 1
SolverParameter.layer_wise_reduce 41 True
SolverParameter.momentum2 39 0.999
SolverParameter.random_seed 20 -1
SolverParameter.regularization_type 29 L2
SolverParameter.rms_decay 38 0.99
SolverParameter.snapshot_after_train 28 True
SolverParameter.snapshot_format 37 1
SolverParameter.solver_mode 17 1
SolverParameter.stepvalue 34 -
SolverParameter.test_initialization 32 True
SolverParameter.type 40 SGD
SolverParameter.weights 42 -
SolverState.current_step 4 0
SolverState.history 3 -
SPPParameter.pyramid_height 1 0
SwishParameter.beta 1 1.0
ThresholdParameter.threshold 1 0.0
TileParameter.tiles 2 0
TransformationParameter.force_gray 7 False
TransformationParameter.scale 1 1.0
V0LayerParameter.hdf5_output_param 1001 -
V0LayerParameter.kernelsize 8 0
V1LayerParameter.blob_share_mode 1002 -
V1LayerParameter.blobs_lr 7 -
V1LayerParameter.convolution_param 10 -
V1LayerParameter.layer 1 -
WindowDataParameter.crop_mode 11 warp
"""


@pytest.mark.parametrize("line", CAFFE.strip().splitlines())
def test_field(line):
    name, number, default = line.split()
    message, field = name.split(".")
    found = schema.descriptor_of(message).fields_by_name[field]
    assert found.number == int(number)
    if default != "-":
        value = getattr(schema.message_class(message)(), field)
        wanted = default == "True" if isinstance(value, bool) else type(value)(default)
        assert value == (wanted if isinstance(value, str) else pytest.approx(wanted, rel=1e-6))


def test_packed_as_caffe_writes_them():
    shape = schema.BlobShape(dim=[2, 3])
    assert shape.SerializeToString() == b"\x0a\x02\x02\x03"
    assert schema.NetParameter(input_dim=[2, 3]).SerializeToString() == b"\x20\x02\x20\x03"


def test_types_are_caffes():
    """Signed where Caffe is signed: a uint32 field refuses -1, an int32 field takes it."""
    schema.SliceParameter(axis=-1)
    with pytest.raises(ValueError):
        schema.PoolingParameter(pad=-1)


def test_additions_have_numbers_that_caffe_does_not_use():
    assert schema.descriptor_of("LRNParameter").fields_by_name["group"].number == 1000
    assert schema.LRNParameter().group == 1
    assert schema.SolverParameter().plateau_patience == 5
    assert schema.SolverParameter().plateau_max == 3


def test_a_weights_file_of_caffes():
    data = (GOLDENS / "snap_iter_4.caffemodel").read_bytes()
    net = schema.NetParameter.FromString(data)
    assert [layer.name for layer in net.layer][:3] == ["data", "conv1", "relu1"]
    assert list(net.layer[1].blobs[0].shape.dim) == [8, 3, 5, 5] or len(net.layer[1].blobs[0].data) > 0
    assert net.SerializeToString() == data


def test_a_solver_state_of_caffes():
    data = (GOLDENS / "snap_iter_4.solverstate").read_bytes()
    state = schema.SolverState.FromString(data)
    assert (state.iter, len(state.history)) == (4, 6)
    assert state.SerializeToString() == data


def test_the_descriptors_are_those_of_the_sources():
    pytest.importorskip("grpc_tools")
    make_schema = runpy.run_path(str(ROOT / "tools" / "make_schema.py"))
    for path, data in make_schema["artifacts"]().items():
        if path.suffix == ".desc":  # compared as messages: releases of protoc may order bytes differently
            kept, made = (descriptor_pb2.FileDescriptorSet.FromString(one) for one in (path.read_bytes(), data))
            assert kept == made, "run python tools/make_schema.py"
        else:
            assert path.read_bytes() == data, "run python tools/make_schema.py"


def test_every_name_is_documented():
    empty = [name for name, text in schema._documentation().items() if not text]
    assert not empty
    assert "runs of channels" in schema.documentation("LRNParameter.group")
    assert schema.documentation("PoolingParameter.PoolMethod.AVE") == "the mean"
    with pytest.raises(KeyError):
        schema.documentation("LRNParameter.groups")


def test_unknown_message():
    with pytest.raises(AttributeError):
        schema.NoSuchParameter  # noqa: B018


def test_layer_types_name_fields_that_exist():
    fields = schema.descriptor_of("LayerParameter").fields_by_name
    for holders in schema.LAYER_TYPES.values():
        assert all(holder in fields for holder in holders)
    own = {holder for holders in schema.LAYER_TYPES.values() for holder in holders}
    settings = {name for name in fields if name.endswith("_param")}
    assert settings - own == {"transform_param"}
    assert schema.layer_fields("Deconvolution") == ("convolution_param",)
    assert schema.layer_fields("Nonsense") is None
