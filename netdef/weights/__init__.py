"""Files of weights: Caffe's .caffemodel of any age and .caffemodel.h5, read into arrays by layer, and fitted to a net's layers.

`read_weights` is the one function that reads such a file, `fit_weights` the one that compares it with a net.  Every command and the
Python API call them.  The package loads numpy: netdef/ imports it inside the functions that need it.
"""

from netdef.weights.fit import Fit, Misfit, fit_weights, same_shape
from netdef.weights.reading import Weights, check_finite, read_weights, weights_in

__all__ = ["Fit", "Misfit", "Weights", "check_finite", "fit_weights", "read_weights", "same_shape", "weights_in"]
