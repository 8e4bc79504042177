"""What a net consists of, as a script sees it: its layers, blobs and parameters, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.pycaffe.blob import Blob, Named, NetBlob, ParameterBlob
from runtime.pycaffe.layer_list import LayerView

if TYPE_CHECKING:
    from netdef.graph.net import Net as Graph
    from runtime.pycaffe.engine import Engine


class Structure:
    """The attributes of a net that say what it is made of."""

    _engine: Engine

    def _name_all(self) -> None:
        """Make the tables that stay the same objects."""
        self._blobs_by_name: Named[NetBlob] = Named("blob", self._engine.blobs.items())
        self._params: Named[list[ParameterBlob]] = Named("layer with parameters called", self._engine.parameters.items())

    @property
    def name(self) -> str:
        return str(self._graph.name)

    @property
    def _graph(self) -> Graph:
        return self._engine.whole.net

    @property
    def blobs(self) -> Named[NetBlob]:
        """All blobs by name, from the inputs on."""
        return self._blobs_by_name

    @property
    def params(self) -> Named[list[ParameterBlob]]:
        """The parameters of each layer that has any: weights and biases, as a list of blobs."""
        return self._params

    @property
    def layers(self) -> list[LayerView]:
        """All layers, in the order in which they run."""
        return [LayerView(layer, self._engine) for layer in self._graph.layers]

    @property
    def layer_dict(self) -> Named[LayerView]:
        return Named("layer", zip(self._layer_names, self.layers, strict=True))

    @property
    def _layer_names(self) -> list[str]:
        return [layer.name for layer in self._graph.layers]

    @property
    def _blob_names(self) -> list[str]:
        return [*self.blobs]

    @property
    def _blobs(self) -> list[Blob]:
        return [*self.blobs.values()]

    @property
    def inputs(self) -> list[str]:
        """Blobs that the script fills."""
        return [blob.name for blob in self._graph.inputs]

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads."""
        return list(dict.fromkeys(blob.name for blob in self._graph.outputs))

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.outputs]

    @property
    def top_names(self) -> Named[list[str]]:
        """The blobs that each layer makes."""
        return Named("layer", ((layer.name, [top.name for top in layer.tops]) for layer in self._graph.layers))

    @property
    def bottom_names(self) -> Named[list[str]]:
        """The blobs that each layer reads."""
        return Named("layer", ((layer.name, [bottom.name for bottom in layer.bottoms]) for layer in self._graph.layers))

    def _top_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(top.name) for top in self._graph.layers[layer].tops]

    def _bottom_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(bottom.name) for bottom in self._graph.layers[layer].bottoms]

    @property
    def blob_loss_weights(self) -> Named[float]:
        """The factor of each blob in the loss."""
        weights = {top.name: weight for one in self._graph.layers for top, weight in zip(one.tops, one.loss_weights, strict=True)}
        return Named("blob", ((name, weights[name]) for name in self.blobs))
