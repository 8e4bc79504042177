"""Every kernel compiles to machine code for the oldest and the newest kind of card, for one in every form that the zoo needs.

For the kinds between, those that may need too many registers do, and those whose source asks for its architecture.  What NVRTC made
of them is recorded, see record.py; what has changed since is compiled, and one file for each kind in any case.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.kernels.cuda.registry import files, source
from runtime.machine.cuda.kernels import OPTIONS
from tests.built import digest, digest_of_sources
from tests.marks import before_release
from tests.runtime.kernels.cuda import nvrtc, zoo
from tests.runtime.kernels.cuda.conftest import Say
from tests.runtime.kernels.cuda.cubin import resources
from tests.runtime.kernels.cuda.test_packs import KERNEL

ARCHITECTURES = (70, 75, 86, 90, 100, 120)  # and sm_80, which has every form
ALL_KERNELS = (70, 120)
OLDEST_TOOLKIT = {70: "CUDA 13 makes no code for sm_70"}  # architectures that a toolkit may have dropped
REGISTERS = 65536  # of a multiprocessor, shared by the threads of its blocks
THREADS = 512  # of the largest blocks, and what a multiprocessor should hold to be kept busy
FULLEST = [  # of registers
    f"lrn_backward{after}<4, {window}, {root}>"
    for after in ("", "_relu", "_relu_bias")
    for window in ((7, 9) if not after else (5,))
    for root in (("true", "false") if not after else ("true",))
]

OF_CUDA_CORES = ["conv_tiles<0, 128>", "conv_weight_tiles<0, 128>"]  # what cards without tensor cores for TF32 run


@pytest.fixture(scope="module")
def needed(tested: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the zoo's networks need, and one form of each kernel that none of them has."""
    functions = zoo.functions()
    assert set(functions) <= set(tested) == set(files())
    for file, names in tested.items():
        mine = functions.setdefault(file, [])
        other = {nvrtc.bare(name): name for name in names if nvrtc.bare(name) not in map(nvrtc.bare, mine)}
        mine += other.values()
    functions["lrn.cu"] += (name for name in FULLEST if name not in functions["lrn.cu"])
    functions["implicit.cu"] += OF_CUDA_CORES
    return functions


@pytest.fixture(scope="module")
def fullest(every_form: list[nvrtc.Compiled], needed: dict[str, list[str]]) -> dict[str, list[str]]:
    """Of each kernel the form that takes most registers of an sm_80; all forms where a source asks for its architecture.

    What does not ask is the same program on each, and a form that takes fewer registers on one is not the one to spill on another.
    """
    registers = {form.function: form.resources.registers for form in every_form}
    found = {}
    for file, names in needed.items():
        forms = {nvrtc.bare(name): name for name in sorted(names, key=registers.__getitem__)}
        found[file] = names if asks(source(file)) else [*forms.values()]
    return found


@pytest.fixture(scope="module")
def tight(every_form: list[nvrtc.Compiled], fullest: dict[str, list[str]]) -> dict[str, list[str]]:
    """Those that take more than half of the registers that there are for a thread; of those that ask for their architecture those
    that take more than three quarters: they are other programs there, by a few registers.
    """
    share = {form.function: form.resources.registers * THREADS / REGISTERS for form in every_form}
    least = {file: 0.75 if asks(source(file)) else 0.5 for file in fullest}
    found = {file: [name for name in names if share[name] > least[file]] for file, names in fullest.items()}
    return {file: names for file, names in found.items() if names}


def asks(text: str) -> bool:
    """Whether what a source says depends on the card's architecture."""
    return "__CUDA_ARCH__" in text or "asm" in text


def check_resources(function: nvrtc.Compiled) -> None:
    """That all is held in registers (a spill takes local memory), and enough threads fit beside each other."""
    assert function.resources.frame == 0, function
    assert function.resources.registers * THREADS <= REGISTERS, function


def compile_one_anew(functions: dict[str, list[str]], architecture: int | str) -> None:
    """A file, another one after each change of the sources, is compiled to what is recorded."""
    file = min(functions, key=lambda name: digest(f"{name} {architecture} {digest_of_sources()}"))
    anew = nvrtc.compile_anew(source(file), functions[file], architecture)
    assert anew == nvrtc.compile_functions(source(file), functions[file], architecture), f"{file}: see record.py"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_machine_code(
    architecture: int, compiler: None, fullest: dict[str, list[str]], tight: dict[str, list[str]], say: Say
) -> None:
    """The fullest form of every kernel, see there; a kernel that takes few registers on one kind of card spills on none."""
    if architecture not in nvrtc.architectures() and architecture in OLDEST_TOOLKIT:
        say(f"CUDA kernels compiled for sm_{architecture}: NOT RUN, {OLDEST_TOOLKIT[architecture]}")
        pytest.skip(OLDEST_TOOLKIT[architecture])
    made = nvrtc.compile_files(fullest if architecture in ALL_KERNELS else tight, architecture)
    assert made
    for function in made:
        check_resources(function)
    compile_one_anew(fullest if architecture in ALL_KERNELS else tight, architecture)
    most = max(function.resources.registers for function in made)
    say(f"CUDA kernels compiled for sm_{architecture}: {len(made)}, no spills, at most {most} registers")


@before_release
@pytest.mark.parametrize("architecture", sorted({*ARCHITECTURES} - {*ALL_KERNELS}))
def test_machine_code_of_every_kernel(architecture: int, compiler: None, fullest: dict[str, list[str]]) -> None:
    """For the kinds between too."""
    made = nvrtc.compile_files(fullest, architecture)
    assert {function.function for function in made} == {name for names in fullest.values() for name in names}
    for function in made:
        check_resources(function)


@before_release
def test_every_file_is_compiled_to_what_is_recorded(every_form: list[nvrtc.Compiled]) -> None:
    anew = {}
    for text in map(source, files()):
        kernels = {kernel["name"] for kernel in KERNEL.finditer(text)}
        names = [form.function for form in every_form if nvrtc.bare(form.function) in kernels]
        anew |= {made.function: made for made in nvrtc.compile_anew(text, names, 80)}
    assert anew == {form.function: form for form in every_form}


@pytest.mark.slow
def test_machine_code_for_hopper_alone(compiler: None, tight: dict[str, list[str]], fullest: dict[str, list[str]]) -> None:
    """sm_90a, whose code no other card runs."""
    names = tight.get("inner_product.cu", fullest["inner_product.cu"])  # none is tight with a compiler that needs few registers
    made = nvrtc.compile_anew(source("inner_product.cu"), names, "90a")
    assert made
    for function in made:
        check_resources(function)


@pytest.mark.slow
def test_every_form(every_form: list[nvrtc.Compiled], needed: dict[str, list[str]], say: Say) -> None:
    """Of sm_80: all that the zoo needs, and windows and constants beyond the zoo's in whole packs."""
    assert {name for names in needed.values() for name in names} <= {form.function for form in every_form}
    for function in every_form:
        check_resources(function)
    most = max(function.resources.registers for function in every_form)
    say(f"CUDA kernels compiled for sm_80: {len(every_form)}, no spills, at most {most} registers")


@pytest.mark.slow
def test_a_spill_is_seen(compiler: None) -> None:
    """A kernel that needs more registers than its bound leaves it."""
    bounded = source("lrn.cu").replace("__launch_bounds__(128, 4)", "__launch_bounds__(1024, 2)")
    (function,) = nvrtc.compile_anew(bounded, ["lrn_backward<4, 9, true>"], 80)
    assert function.resources.frame > 0
    with pytest.raises(AssertionError):
        check_resources(function)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed: its options for NVRTC are not compared")
def test_cupy_compiles_with_the_same_options(compiler: None, needed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a RawModule does, down to the machine code, which only a card could load."""
    ours = import_module("cupy.cuda.compiler")
    compile_module, unloaded, program = ours._compile_module_with_cache, ours.function.Module, ours._NVRTCProgram
    compile_program = program.compile
    given: list[tuple[str, ...]] = []
    made: list[Any] = []

    class Module:
        def _set_mapping(self, mapping: dict[str, str]) -> None:
            self.mapping = mapping

        def load(self, cubin: bytes) -> None:
            self.cubin = cubin

    def compile_keeping(*arguments: Any, **named: Any) -> Any:
        made.append(compile_module(*arguments, **named))
        return unloaded()

    def compile_noting(self: Any, options: tuple[str, ...] = (), log_stream: Any = None) -> Any:
        given.append(options)
        return compile_program(self, options, log_stream)

    architecture = ours._get_arch_for_options_for_nvrtc.__wrapped__  # which asks no card, if it is given one
    monkeypatch.setattr(ours, "_get_arch_for_options_for_nvrtc", architecture)
    monkeypatch.setattr(ours, "_compile_module_with_cache", compile_keeping)
    monkeypatch.setattr(ours, "function", SimpleNamespace(Module=Module))
    monkeypatch.setattr(program, "compile", compile_noting)
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")
    names = tuple(needed["gradients.cu"])
    assert "clip_scale<2>" in names and "larc_rate" in map(nvrtc.bare, names)
    core = import_module("cupy._core.core")
    core.compile_with_cache(source("gradients.cu"), OPTIONS, "90", prepend_cupy_headers=False, name_expressions=names)
    (module,) = made
    assert set(module.mapping) == set(names)
    assert set(resources(module.cubin)) == set(module.mapping.values())
    said = {option for option in given[-1] if not option.startswith("-I")}
    assert said == {*OPTIONS, *nvrtc.OF_CUPY, "-arch=sm_90"}
