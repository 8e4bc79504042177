"""caffe.NetSpec, caffe.layers and caffe.params: a net written in Python, as a NetParameter.

The interface, the names that layers get and the order in which they come are those of BVLC's python/caffe/net_spec.py.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from netdef.language.spelling import did_you_mean
from netdef.schema.layer_types import LAYER_TYPES
from runtime.pycaffe.proto import caffe_pb2

Names = dict[Any, str]


def param_name_dict() -> dict[str, str]:
    """The field of LayerParameter that has the settings of a layer type, without _param: convolution for Convolution."""
    fields = [field for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param")]
    by_message = {one.message_type.name.removesuffix("Parameter"): one.name for one in fields if one.message_type}
    by_type = {name: found[0] for name, found in LAYER_TYPES.items() if found}
    return {name: field.removesuffix("_param") for name, field in {**by_message, **by_type}.items()}


def to_proto(*tops: Any) -> Any:
    """The NetParameter of all layers that these tops need."""
    layers: OrderedDict[Function, Any] = OrderedDict()
    names: Counter[str] = Counter()
    for top in tops:
        top.fn._to_proto(layers, {}, names)
    return _net(layers)


def _net(layers: OrderedDict[Function, Any]) -> Any:
    net = caffe_pb2.NetParameter()
    net.layer.extend(layers.values())
    return net


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a field of a message: a dict to a message, a list to a repeated field, which takes a single value too.

    Raises
    ------
    AttributeError: the message has no such field.  TypeError, ValueError: the value does not fit it.
    """
    field = getattr(proto, name)
    if hasattr(field, "extend"):
        values = list(val) if isinstance(val, list | tuple) else [val]
        if values and isinstance(values[0], dict):
            for one in values:
                message = field.add()
                for key, value in one.items():
                    assign_proto(message, key, value)
        else:
            field.extend(values)
    elif isinstance(val, dict):
        field.SetInParent()
        for key, value in val.items():
            assign_proto(field, key, value)
    else:
        setattr(proto, name, val)


class Top:
    """One output of a layer.  fn: the layer.  n: which of its outputs."""

    def __init__(self, fn: Function, n: int):
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """The NetParameter of all layers that it needs."""
        return to_proto(self)

    def _to_proto(self, layers: OrderedDict[Function, Any], names: Names, automatic: Counter[str]) -> None:
        self.fn._to_proto(layers, names, automatic)


class Function:
    """A layer: its type, the tops that it reads, its settings.

    Raises
    ------
    TypeError: an input is no Top.
    """

    def __init__(self, type_name: str, inputs: tuple[Any, ...], params: dict[str, Any]):
        for index, one in enumerate(inputs):
            if not isinstance(one, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(one)})")
        self.type_name, self.inputs, self.params = type_name, inputs, dict(params)
        self.ntop = self.params.pop("ntop", 1)
        self.in_place = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _named(self, key: Any, names: Names, automatic: Counter[str]) -> str:
        if key not in names:
            automatic[self.type_name] += 1
            names[key] = f"{self.type_name}{automatic[self.type_name]}"
        return names[key]

    def _to_proto(self, layers: OrderedDict[Function, Any], names: Names, automatic: Counter[str]) -> None:
        if self in layers:
            return
        for one in self.inputs:
            one._to_proto(layers, names, automatic)
        layer = caffe_pb2.LayerParameter()
        layer.type = self.type_name
        layer.bottom.extend(layers[one.fn].top[one.n] for one in self.inputs)
        if self.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(self._named(top, names, automatic) for top in self.tops)
        layer.name = names[self] if self in names else self._named(self.tops[0] if self.tops else self, names, automatic)
        for key, value in self.params.items():
            self._assign(layer, key, value)
        layers[self] = layer

    def _assign(self, layer: Any, key: str, value: Any) -> None:
        """Set a field of the type's own settings, or of the layer.  Raises AttributeError: neither has it."""
        own = f"{PARAM_NAMES[self.type_name]}_param" if self.type_name in PARAM_NAMES else ""
        if not key.endswith("param") and own and key in getattr(layer, own).DESCRIPTOR.fields_by_name:
            assign_proto(getattr(layer, own), key, value)
        elif key in layer.DESCRIPTOR.fields_by_name:
            assign_proto(layer, key, value)
        else:
            known = [*(getattr(layer, own).DESCRIPTOR.fields_by_name if own else ()), *layer.DESCRIPTOR.fields_by_name]
            hint = did_you_mean(key, known)
            raise AttributeError(f"a layer {self.type_name} has no setting {key}{'; ' + hint if hint else ''}")


class NetSpec:
    """A net: each attribute that is set is a Top, which gets its name."""

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self.tops:
            hint = did_you_mean(name, self.tops)
            raise KeyError(f"{name} was not set{'; ' + hint if hint else ''}")
        return self.tops[name]

    def __setitem__(self, key: str, value: Any) -> None:
        self.tops[key] = value

    def __getitem__(self, item: str) -> Any:
        return self.__getattr__(item)

    def __contains__(self, item: str) -> bool:
        return item in self.tops

    def to_proto(self) -> Any:
        """The NetParameter of all layers that the tops need, in the order in which they were set."""
        names: Names = {top: name for name, top in self.tops.items()}
        automatic: Counter[str] = Counter()
        layers: OrderedDict[Function, Any] = OrderedDict()
        for top in self.tops.values():
            top._to_proto(layers, names, automatic)
        return _net(layers)


class Layers:
    """caffe.layers: `layers.Convolution(bottom, kernel_size=3)` is a Top, or as many as ntop says."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def make(*inputs: Any, **settings: Any) -> Any:
            function = Function(name, inputs, settings)
            return function if function.ntop == 0 else function.tops[0] if function.ntop == 1 else function.tops

        return make


class _Enums:
    """The words that the settings of a type take."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, word: str) -> Any:
        return getattr(getattr(caffe_pb2, f"{self._name}Parameter"), word)


class Parameters:
    """caffe.params: `params.Pooling.MAX` is a word that a setting takes."""

    def __getattr__(self, name: str) -> _Enums:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Enums(name)


PARAM_NAMES = param_name_dict()
layers = Layers()
params = Parameters()
