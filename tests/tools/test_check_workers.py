"""The simulation of workers: pieces go to whichever is free first, and all work of a net is seen."""

import importlib

import pytest

import netdef
from tests.paths import ROOT


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("check_workers")


@pytest.mark.parametrize(
    ("pieces", "workers", "expected"), [([1, 1, 1, 1], 2, 2), ([4, 1, 1, 1], 2, 4), ([1, 1, 4], 2, 5), ([], 3, 0), ([2], 16, 2)]
)
def test_a_piece_goes_to_the_worker_that_is_free_first(tool, pieces, workers, expected):
    assert tool.span(pieces, workers) == expected


def test_all_launches_of_a_net_are_timed(tool):
    net = netdef.parse(
        "layer x: Input { shape { dim: 64 dim: 40 dim: 9 dim: 9 } } layer p: Pooling(x) { kernel_size: 3 stride: 2 }"
    )
    found = tool.measured(net, 4, 2)
    assert [name.split()[1:] for name in found] == [["p", "pool_max_forward"]]
    (launches,) = found.values()
    assert [len(pieces) > 4 and min(pieces) > 0 for pieces in launches] == [True]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--net", "nosuch"], "no file and no model called nosuch"), (["--workers", "0"], "--workers 0: give 1 or more")],
)
def test_wrong_arguments_end_in_a_message(tool, arguments, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["check_workers.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
