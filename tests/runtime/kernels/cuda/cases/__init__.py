"""Every instruction on arrays of many shapes: what its CUDA kernels and its CPU kernel are both run on."""

from __future__ import annotations

from tests.runtime.kernels.cuda.cases.argmax import largest_cases
from tests.runtime.kernels.cuda.cases.broadcast import broadcast_cases
from tests.runtime.kernels.cuda.cases.case import Case
from tests.runtime.kernels.cuda.cases.convolution import convolution_cases, tile_cases
from tests.runtime.kernels.cuda.cases.dropout import dropout_cases
from tests.runtime.kernels.cuda.cases.elementwise import elementwise_cases, function_cases
from tests.runtime.kernels.cuda.cases.embed import embed_cases
from tests.runtime.kernels.cuda.cases.gather import box_cases, copying_cases
from tests.runtime.kernels.cuda.cases.halves import halves_cases
from tests.runtime.kernels.cuda.cases.images import image_cases
from tests.runtime.kernels.cuda.cases.inner_product import inner_product_cases
from tests.runtime.kernels.cuda.cases.loss import loss_cases
from tests.runtime.kernels.cuda.cases.lrn import lrn_cases
from tests.runtime.kernels.cuda.cases.masked import masked_cases
from tests.runtime.kernels.cuda.cases.narrow import narrow_cases
from tests.runtime.kernels.cuda.cases.normalize import normalizing_cases
from tests.runtime.kernels.cuda.cases.pooling import pooling_cases, unpooling_cases
from tests.runtime.kernels.cuda.cases.recurrent import recurrent_cases
from tests.runtime.kernels.cuda.cases.reduce import reducing_cases
from tests.runtime.kernels.cuda.cases.remember import remembering_cases
from tests.runtime.kernels.cuda.cases.resize import resize_cases
from tests.runtime.kernels.cuda.cases.roi import roi_cases
from tests.runtime.kernels.cuda.cases.softmax import class_cases
from tests.runtime.kernels.cuda.cases.update import solver_cases


def all_cases() -> list[Case]:
    families = (
        elementwise_cases, function_cases, dropout_cases, solver_cases, remembering_cases, class_cases, loss_cases, pooling_cases,
        lrn_cases, convolution_cases, tile_cases, inner_product_cases, copying_cases, box_cases, image_cases, broadcast_cases,
        reducing_cases, normalizing_cases, largest_cases, embed_cases, recurrent_cases, unpooling_cases, resize_cases, roi_cases,
        narrow_cases, masked_cases, halves_cases,
    )  # fmt: skip
    return [case for family in families for case in family()]
