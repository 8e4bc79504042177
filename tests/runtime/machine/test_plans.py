"""What `netdef compile --print` shows last: the lists as they run, with what each device launches."""

import re

import netdef
from netdef.language.find import models_folder
from runtime.compiler.pipeline import compile_program
from runtime.kernels.cuda.options import CudaOptions
from runtime.machine.plans import text_of_plans
from runtime.solver.update import updates


def lenet(**options):
    net = netdef.load("lenet", phase="train", batch_size=16)
    solver = netdef.load_solver(models_folder() / "solver.txt").message
    return compile_program(net, losses_only=True, update=updates(solver), **options)


def test_a_cpu_shows_its_kernels_and_three_lists() -> None:
    program = lenet()
    text = text_of_plans(program)
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["forward", "backward", "update"]
    instructions = re.findall(r"^  (dev0 .*)$", text, re.MULTILINE)
    assert instructions == [str(step) for step in program.instructions]
    assert re.search(r"^      conv2d_direct run \d+ block \d+: \d+ items, [\d,]+ KiB of scratch a thread$", text, re.MULTILINE)
    assert re.search(r"^      flip_weights: 20 items\n      conv2d_", text, re.MULTILINE) is None  # col2im is cheaper for LeNet


def test_a_card_shows_one_list_its_launches_and_its_graph() -> None:
    program = lenet()
    text = text_of_plans(program, CudaOptions(conv="im2col"))
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["iteration"]
    assert f"graph of {len(program.iteration)} instructions:" in text
    assert re.search(r"^ +gemm 20 x \d+ x 25$", text, re.MULTILINE)
    assert re.search(r"^ +im2col<4, 5, 5, 1, 1, 0, 0, 1, 1>: \d+ blocks of 256 threads$", text, re.MULTILINE)
    assert "graph of" not in text_of_plans(program, CudaOptions(graphs=False))
    assert re.search(r"^ +conv_tiles<2, 32>: \d+ blocks of 256 threads$", text_of_plans(program, CudaOptions()), re.MULTILINE)


def test_several_devices_show_the_order_and_what_waits() -> None:
    program = lenet(devices=2, hosts=(0, 1))
    text = text_of_plans(program, CudaOptions())
    shown = re.findall(r"^  #(\d+) (dev\d .*?)(?:  waits for (.*))?$", text, re.MULTILINE)
    assert [line for _, line, _ in shown] == [str(step) for step in program.iteration]
    assert [int(number) for number, _, _ in shown] == list(range(len(shown)))
    updates = [number for number, line, _ in shown if "sgd_update" in line]
    assert int(updates[0]) < len(program.forward) + len(program.backward)  # updated while backward goes on
    assert all(int(other[1:]) < int(number) for number, _, waits in shown for other in waits.split(", ") if other)


def test_plans_are_those_for_the_threads_of_a_device() -> None:
    net = netdef.load("alexnet", phase="train", batch_size=32)
    program = compile_program(net, backward=False)
    assert "conv2d_terms" not in text_of_plans(program, threads=[8])
    assert "conv2d_terms" in text_of_plans(program, threads=[16])
