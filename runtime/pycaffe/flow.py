"""Which instructions run some layers of a net, which versions of blobs they read from outside, and which they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.compiler.passes.lower import gradient_flow
from runtime.ir.program import Buffer, Instruction
from runtime.pycaffe.constants import constants

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from runtime.machine.executable import Executable

JOINS = ("add", "fill")  # the kernels that make a blob's gradient of what its readers give


class Versions:
    """The versions of a net's blobs, and where gradients go between them.

    Attributes
    ----------
    program: they are of.
    sources: names of the layers that data sources feed.
    given: names of the blobs that no instruction makes: inputs, and constants.
    gradients: the buffers of the parameters' gradients, by the parameter's name.
    totals: of a solver's net with iter_size > 1, the sums of those over an iteration's batches, which the update reads.
    joins: for each blob, the instructions that make its gradient of those of its readers.
    """

    def __init__(self, executable: Executable):
        self.program = program = executable.program
        net = executable.net
        self._blobs = {(top.name, top.version): top for layer in net.layers for top in layer.tops}
        self.sources = {source.layer.name for source in program.sources}
        self.given = {blob.name for blob in net.inputs} | {blob.name for blob, _, _ in constants(net, program)}
        self.gradients = {str(owner): buffer for owner, buffer in program.parameter_gradients.items()}
        self.totals = {str(owner): total for (owner, state), total in program.states.items() if state == "gradient_sum"}
        self.flow = gradient_flow(net) if program.gradients or program.parameter_gradients else None
        roots = {program.gradients[blob].root: blob for blob in self._blobs.values() if blob in program.gradients}
        self.joins: dict[Blob, list[Instruction]] = defaultdict(list)
        for one in program.backward:
            blob = roots.get(one.outputs[0].root) if one.kernel in JOINS and one.outputs else None
            if blob is not None and blob.producer.name == one.layer:
                self.joins[blob].append(one)

    def blob(self, name: str, version: int) -> Blob:
        return self._blobs[name, version]

    def is_wanted(self, layer: Layer, bottom: int) -> bool:
        """Whether a layer's backward makes the gradient of a bottom."""
        return self.flow is not None and layer in self.flow.live and (layer, bottom) in self.flow.wanted

    def readers(self, blob: Blob) -> set[str]:
        """The layers that give a blob's gradient something."""
        pairs = ((layer, index) for layer in set(blob.consumers) for index, bottom in enumerate(layer.bottoms) if bottom is blob)
        return {layer.name for layer, index in pairs if self.is_wanted(layer, index)}


class ForwardRun:
    """A forward run of some layers, in order.

    Attributes
    ----------
    reads: versions that the layers read and do not make.
    makes: the last version that they make of each name.
    """

    def __init__(self, versions: Versions, layers: Sequence[Layer]):
        self._names = {layer.name for layer in layers}
        made: set[Blob] = set()
        reads: dict[Blob, None] = {}
        self.makes: dict[str, Blob] = {}
        for layer in layers:
            reads.update((blob, None) for blob in layer.bottoms if blob not in made)
            for top in layer.tops:
                if top.name in versions.given and not top.version:
                    reads[top] = None
                else:
                    made.add(top)
                    self.makes[top.name] = top
        self.reads = list(reads)

    def runs(self, instruction: Instruction) -> bool:
        """Whether an instruction is one of the layers'."""
        return instruction.layer in self._names


class BackwardRun:
    """A backward run of some layers, given in forward order.

    Attributes
    ----------
    reads: versions whose gradients come from outside.  reads_data: those whose values backward may read.
    makes: the version of each name whose gradient the run makes last.
    learning: names of the parameters whose gradients it makes.
    unused_addends: buffers that sums of shared parameters' gradients read, and that no layer of the run makes.
    """

    def __init__(self, versions: Versions, layers: Sequence[Layer]):
        self._names = {layer.name for layer in layers}
        self._skipped: set[Instruction] = set()
        self._added: set[Instruction] = set()
        self.reads: list[Blob] = []
        self.makes: dict[str, Blob] = {}
        live: Any = versions.flow.live if versions.flow else ()
        running = [layer for layer in layers if layer in live]
        for layer in reversed(running):
            for top in layer.tops:
                if top in versions.program.gradients and not versions.readers(top) & self._names:
                    self.reads.append(top)
                    self._skipped.update(versions.joins[top])
            for index, bottom in enumerate(layer.bottoms):
                if versions.is_wanted(layer, index):
                    self.makes[bottom.name] = bottom
                    if bottom.producer.name not in self._names:
                        self._added.update(versions.joins[bottom])
        self.reads_data = list(dict.fromkeys(blob for layer in running for blob in (*layer.bottoms, *layer.tops)))
        learned = [one for layer in running for one in layer.parameters if one.lr_mult != 0]
        self.learning = {str(one.owner) for one in learned}
        self.unused_addends = list(self._unused(versions, {one.owner for one in learned}))

    def _unused(self, versions: Versions, owners: set[Any]) -> list[Buffer]:
        sums = {
            versions.program.parameter_gradients[owner].root for owner in owners if owner in versions.program.parameter_gradients
        }
        backward = versions.program.backward
        self._added.update(one for one in backward if one.kernel == "accumulate" and one.inputs[0].root in sums)
        joins = [one for one in backward if one.kernel == "add" and one.outputs[0].root in sums]
        made = {out.root for one in backward if one not in joins and self.runs(one) for out in one.outputs}
        read = {buffer.root for one in joins for buffer in one.inputs}
        self._added.update(joins)
        return [buffer for buffer in read if buffer not in made]

    def runs(self, instruction: Instruction) -> bool:
        """Whether an instruction is one of the run's."""
        return (instruction.layer in self._names and instruction not in self._skipped) or instruction in self._added
