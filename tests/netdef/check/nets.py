"""Nets and solvers without findings, and the findings of others."""

from netdef.check.run import check

HEAD = """train layer data: Input -> data, label { shape { dim: [4, 3, 16, 16] } shape { dim: 4 } }
test layer data: Input -> data, label { shape { dim: [2, 3, 16, 16] } shape { dim: 2 } }
"""
FC = 'layer fc: InnerProduct(data) { num_output: 5 weight_filler { type: "xavier" } }\n'
LOSS = "layer loss: SoftmaxWithLoss(fc, label)\n"
GOOD = HEAD + FC + LOSS + "test layer accuracy: Accuracy(fc, label)\n"
SOLVER = 'net: "x.net" base_lr: 0.1 lr_policy: "fixed" max_iter: 100 test_iter: 1 test_interval: 10\n'


def looked(tmp_path, net, solver=None):
    """Findings by code: each with the text that it points at."""
    (tmp_path / "x.net").write_text(net)
    name = tmp_path / "x.net"
    if solver is not None:
        name = tmp_path / "solver.txt"
        name.write_text(solver)
    found = {}
    for one in check(str(name)).findings:
        at = one.position
        line = at.source.line(at.line) if at and at.source else ""
        found.setdefault(one.code, []).append((line[at.column - 1 : at.column - 1 + at.length] if line else "", one))
    return found
