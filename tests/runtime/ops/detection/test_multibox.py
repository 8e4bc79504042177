"""MultiBoxLoss beside a plain reading of its definition, and its gradients by differences."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.language.diagnostics import NetdefError

PRIORS, CLASSES, VARIANCES = 12, 4, (0.1, 0.1, 0.2, 0.2)
CASES = [
    "",
    "mining_type: NONE",
    "mining_type: NONE conf_loss_type: LOGISTIC",
    "mining_type: HARD_EXAMPLE sample_size: 5",
    "neg_pos_ratio: 1 loc_loss_type: L2 loc_weight: 0.5 normalization: BATCH_SIZE",
    "match_type: BIPARTITE neg_overlap: 0.2 normalization: NONE",
    "use_prior_for_matching: false normalization: FULL",
    "mining_type: NONE share_location: false",
    "mining_type: NONE share_location: false use_prior_for_matching: false",
    "mining_type: NONE share_location: false use_prior_for_matching: false conf_loss_type: LOGISTIC bp_inside: true",
    "use_difficult_gt: false ignore_cross_boundary_bbox: true bp_inside: true",
]


def data(share):
    """Places, scores, priors and true boxes, of which the second image has one that is difficult, and the third none."""
    rng = np.random.default_rng(4)
    low = rng.uniform(-0.05, 0.6, (PRIORS, 2))
    priors = np.concatenate([low, low + rng.uniform(0.2, 0.5, (PRIORS, 2))], axis=1)
    truth = [
        (image, label, 0, *np.clip(priors[box] + 0.03, 0, 1), image) for image, label, box in ((0, 1, 2), (0, 3, 7), (1, 2, 5))
    ]
    truth.append((-1,) * 8)
    return {
        "l": rng.normal(0, 0.5, (3, PRIORS * 4 * (1 if share else CLASSES))),
        "s": rng.normal(0, 1, (3, PRIORS * CLASSES)),
        "p": np.stack([priors.ravel(), np.tile(VARIANCES, PRIORS)])[None],
        "t": np.array(truth)[None, None],
    }


def net_of(fields, given):
    inputs = "".join(
        f"layer {name}: Input {{ shape {{ {' '.join(f'dim: {size}' for size in array.shape)} }} }}\n"
        for name, array in given.items()
    )
    layer = f"layer loss: MultiBoxLoss(l, s, p, t) {{ num_classes: {CLASSES} code_type: CENTER_SIZE {fields} }}"
    return netdef.parse(f"force_backward: true\n{inputs}{layer}")


@pytest.mark.parametrize("fields", CASES)
def test_gradients(fields):
    given = data("share_location: false" not in fields)
    with runtime.compile(net_of(fields, given)) as exe:
        exe.forward(**given)
        exe.backward()
        rng, step = np.random.default_rng(1), 1e-3
        for name in "ls":
            gradient, way = exe.blob_grad(name).astype(float), rng.choice([-1.0, 1.0], given[name].shape)
            up, down = (float(exe.forward(**{**given, name: given[name] + sign * step * way})["loss"]) for sign in (1, -1))
            assert gradient.any()
            assert (up - down) / (2 * step) == pytest.approx((gradient * way).sum(), rel=0.02, abs=0.02)


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(area) - width * height)


def code(box, prior):
    sides = [(b[2] - b[0], b[3] - b[1], (b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (box, prior)]
    (w, h, x, y), (pw, ph, px, py) = sides
    return np.array([(x - px) / pw, (y - py) / ph, np.log(w / pw), np.log(h / ph)]) / VARIANCES


def decoded(move, prior):
    w, h = prior[2:] - prior[:2]
    x, y, dw, dh = move * VARIANCES
    middle = (prior[:2] + prior[2:]) / 2 + (x * w, y * h)
    half = np.exp([dw, dh]) * (w, h) / 2
    return np.concatenate([middle - half, middle + half])


def test_the_loss_of_the_defaults():
    """Pairs of the largest overlap first; then all above a half; three times as many negatives, those of the largest loss."""
    given = data(True)
    priors, total, matches = given["p"][0, 0].reshape(-1, 4), 0.0, 0
    for image in range(3):
        true = [row for row in given["t"][0, 0] if row[0] == image]
        scores, places = given["s"][image].reshape(-1, CLASSES), given["l"][image].reshape(-1, 4)
        losses = lambda label, scores=scores: np.log(np.exp(scores).sum(axis=1)) - scores[:, label]  # noqa: E731
        shared = np.array([[overlap(prior, row[3:7]) for row in true] for prior in priors]).reshape(PRIORS, len(true))
        match, left = {}, shared.copy()
        while left.size and left.max() > 0:
            box, row = np.unravel_index(left.argmax(), left.shape)
            match[box], left[box], left[:, row] = row, 0, 0
        match = {**{box: shared[box].argmax() for box in range(PRIORS) if true and shared[box].max() >= 0.5}, **match}
        for box, row in match.items():
            apart = np.abs(places[box] - code(true[row][3:7], priors[box]))
            total += losses(int(true[row][1]))[box] + np.where(apart < 1, apart**2 / 2, apart - 0.5).sum()
        free = [losses(0)[box] for box in range(PRIORS) if true and box not in match and shared[box].max() < 0.5]
        total += sum(sorted(free)[::-1][: 3 * len(match)])
        matches += len(match)
    with runtime.compile(net_of("", given)) as exe:
        assert float(exe.forward(**given)["loss"]) == pytest.approx(total / matches, rel=1e-4)


@pytest.mark.parametrize("confidence", ["SOFTMAX", "LOGISTIC"])
@pytest.mark.parametrize("kind", ["BIPARTITE", "PER_PREDICTION"])
def test_boxes_that_are_predicted_for_each_class(kind, confidence):
    """Each class matches its own true boxes with the boxes that it predicts; a prior box may have a true one of several classes."""
    given = data(False)
    priors, total, matches, several = given["p"][0, 0].reshape(-1, 4), 0.0, 0, 0
    for image in range(3):
        true = [row for row in given["t"][0, 0] if row[0] == image]
        scores, places = given["s"][image].reshape(-1, CLASSES), given["l"][image].reshape(-1, CLASSES, 4)
        classes = [[] for _ in range(PRIORS)]
        for label in range(1, CLASSES):
            own = [row for row in true if row[1] == label]
            boxes = [decoded(places[box, label], priors[box]) for box in range(PRIORS)]
            shared = np.array([[overlap(box, row[3:7]) for row in own] for box in boxes]).reshape(PRIORS, len(own))
            match, left = {}, shared.copy()
            while left.size and left.max() > 1e-6:
                box, row = np.unravel_index(left.argmax(), left.shape)
                match[box], left[box], left[:, row] = row, 0, 0
            if kind == "PER_PREDICTION" and own:
                match = {**{box: shared[box].argmax() for box in range(PRIORS) if shared[box].max() >= 0.1}, **match}
            for box, row in match.items():
                apart = np.abs(places[box, label] - code(own[row][3:7], priors[box]))
                total += np.where(apart < 1, apart**2 / 2, apart - 0.5).sum()
                classes[box].append(label)
            matches += len(match)
        several += sum(len(labels) > 1 for labels in classes)
        for box, labels in enumerate(classes):
            if confidence == "SOFTMAX":
                total += np.log(np.exp(scores[box]).sum()) - scores[box, max(labels, default=0)]
            else:
                total += sum(np.log1p(np.exp(-x if label in labels else x)) for label, x in enumerate(scores[box]))
    assert matches and (several or kind == "BIPARTITE")
    fields = f"mining_type: NONE share_location: false use_prior_for_matching: false match_type: {kind} overlap_threshold: 0.1"
    with runtime.compile(net_of(f"{fields} conf_loss_type: {confidence}", given)) as exe:
        assert float(exe.forward(**given)["loss"]) == pytest.approx(total / matches, rel=1e-4)


def test_labels_that_are_no_class_are_an_error():
    given = data(True)
    given["t"][0, 0, 0, 1] = CLASSES
    with runtime.compile(net_of("", given)) as exe, pytest.raises(NetdefError, match="true box has a label that is no class of 4"):
        exe.forward(**given)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("share_location: false", "negatives are mined only where all classes share a place"),
        ("mining_type: HARD_EXAMPLE sample_size: 0", "sample_size, the examples of an image, must be at least 1"),
        ("background_label_id: 4", "background_label_id 4 is none of 4 classes"),
    ],
)
def test_settings_without_kernels(fields, words):
    with pytest.raises(NetdefError, match=words):
        runtime.compile(net_of(fields, data("share" not in fields)))
