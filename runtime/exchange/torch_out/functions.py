# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated"
"""What a line of an exported module may call, in plain PyTorch: netdef copies it into model.py, and does not import this file."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - as all who use it call it


def pooled_by_chance(squares, sums):
    """The mean of random pooling, of means of squares and of numbers; 0 where the mean is not above 0."""
    return torch.where(sums > 0, squares / sums, torch.zeros_like(sums))


def chosen(test, one, other):
    """The one number where a test holds, else the other."""
    return torch.where(test, torch.as_tensor(one), torch.as_tensor(other))


def larger(a, b):
    return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))


def smaller(a, b):
    return torch.minimum(torch.as_tensor(a), torch.as_tensor(b))


def largest(x, axis, count):
    """The largest numbers along an axis, and where they are; of equals the last one comes first."""
    values, indices = x.flip(axis).sort(dim=axis, descending=True, stable=True)
    return values.narrow(axis, 0, count), x.shape[axis] - 1 - indices.narrow(axis, 0, count)


def unpooled(x, indices, rows, columns):
    """Zeros, with each number at its index in its channel."""
    blank = x.new_zeros(*x.shape[:2], rows * columns)
    return blank.scatter(2, indices.flatten(2).long(), x.flatten(2)).unflatten(2, (rows, columns))


def lstm_step(cell, gates, going):
    """(cell, hidden) after a time step. gates: input, forget, output, candidate; going: 0 where a sequence begins."""
    enter, keep, leave, new = gates.chunk(4, -1)
    cell = going * keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return cell, leave.sigmoid() * cell.tanh()


def run_lstm(gates, cont, recurrence, hidden=None, cell=None):
    """Outputs (T, N, D), and the states after the last time step, (1, N, D); gates (T, N, 4 D) are those of the inputs."""
    zeros = gates.new_zeros(gates.shape[1], gates.shape[2] // 4)
    hidden, cell = zeros if hidden is None else hidden[0], zeros if cell is None else cell[0]
    outputs = []
    for gate, going in zip(gates, cont[..., None], strict=True):
        cell, hidden = lstm_step(cell, gate + F.linear(hidden * going, recurrence), going)
        outputs.append(hidden)
    return torch.stack(outputs), hidden[None], cell[None]


def run_rnn(inputs, cont, recurrence, hidden=None):
    """Hidden states (T, N, D), and the last one, (1, N, D); inputs are weighted already."""
    hidden = torch.zeros_like(inputs[0]) if hidden is None else hidden[0]
    states = []
    for given, going in zip(inputs, cont[..., None], strict=True):
        hidden = (given + F.linear(hidden * going, recurrence)).tanh()
        states.append(hidden)
    return torch.stack(states), hidden[None]


def rounded(numbers):
    """The nearest whole numbers, halves away from zero."""
    return (numbers.double().abs() + 0.5).floor().copysign(numbers.double())


def cells_along(low, high, cells, size):
    """[(first, last), ...]: the pixels of cells that divide a side from pixel low to pixel high."""
    edges = torch.arange(cells + 1) * (torch.tensor(max(high - low + 1, 1.0)) / cells)
    first, last = edges[:-1].floor() + low, edges[1:].ceil() + low
    return [(int(a), int(b)) for a, b in zip(first.clamp(0, size), last.clamp(0, size), strict=True)]


def pool_regions(x, regions, rows, columns, scale):
    """The largest number in each cell of a grid over each region; 0 in a cell without pixels, and of a region without an image."""
    regions = regions.reshape(-1, 5).cpu()
    pooled = x.new_zeros(len(regions), x.shape[1], rows, columns)
    for region, result in zip(regions, pooled, strict=True):
        left, top, right, bottom = rounded(region[1:] * scale).tolist()
        if region[0] >= 0:
            for row, (up, down) in enumerate(cells_along(top, bottom, rows, x.shape[2])):
                for column, (before, behind) in enumerate(cells_along(left, right, columns, x.shape[3])):
                    if down > up and behind > before:
                        result[:, row, column] = x[int(region[0]), :, up:down, before:behind].amax((1, 2))
    return pooled


def pool_own_channels(x, regions, cells, scale):
    """The mean of each cell of a grid over each region, where each cell has channels of its own."""
    regions, grids = regions.reshape(-1, 5).cpu(), x.unflatten(1, (-1, cells, cells))
    pooled = x.new_zeros(len(regions), grids.shape[1], cells, cells)
    for region, result in zip(regions, pooled, strict=True):
        corners = rounded(region[1:]).float()
        low, high = corners[:2] * scale, (corners[2:] + 1) * scale
        edges = torch.arange(cells + 1)[:, None] * ((high - low).clamp(min=0.1) / cells)
        size = torch.tensor(x.shape[:1:-1])
        first = (edges[:-1] + low).floor().clamp(min=0).minimum(size).long()
        last = (edges[1:] + low).ceil().clamp(min=0).minimum(size).long()
        for row in range(cells if region[0] >= 0 else 0):
            for column in range(cells):
                up, down, before, behind = first[row, 1], last[row, 1], first[column, 0], last[column, 0]
                if down > up and behind > before:
                    result[:, row, column] = grids[int(region[0]), :, row, column, up:down, before:behind].mean((1, 2))
    return pooled


def samples_along(low, high, cells, samples, size):
    """(cells, size): how much each pixel counts in the mean of the samples in each cell of a side; 0 samples: about one a pixel."""
    length = (high - low).clamp(min=1) / cells
    count = samples or int(length.ceil())
    at = low + torch.arange(cells)[:, None] * length + (torch.arange(count) + 0.5) * length / count
    inside = (at >= -1) & (at <= size)
    at = at.clamp(0, size - 1)
    pixel, upper = at.floor().long(), at - at.floor()
    weights = torch.zeros(cells, size).scatter_add(1, pixel, (1 - upper) * inside)
    return weights.scatter_add(1, (pixel + 1).clamp(max=size - 1), upper * inside) / count


def align_regions(x, regions, rows, columns, scale, samples):
    """The mean of interpolated samples in each cell of a grid over each region; 0 of a region without an image."""
    regions = regions.reshape(-1, 5).cpu()
    pooled = x.new_zeros(len(regions), x.shape[1], rows, columns)
    for region, result in zip(regions, pooled, strict=True):
        if region[0] >= 0:
            left, top, right, bottom = region[1:] * scale
            down = samples_along(top, bottom, rows, samples, x.shape[2]).to(x)
            across = samples_along(left, right, columns, samples, x.shape[3]).to(x)
            result[:] = down @ x[int(region[0])] @ across.T
    return pooled


def highest(scores, least, most):
    """The indices of the scores above `least`, the highest first; `most` of them, all below 0."""
    above = (scores > least).nonzero()[:, 0]
    order = above[scores[above].argsort(descending=True, stable=True)]
    return order[:most] if most >= 0 else order


def without_overlaps(boxes, order, threshold, eta, most, extra):
    """Which of the boxes, in this order, overlap none before them by more than the threshold; `most` of them, all below 0.

    eta: a factor on a threshold above 0.5 after each box that is kept. extra: 1 for boxes in whole pixels, else 0.
    """
    boxes, kept = boxes.cpu(), []
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = (sides + extra).prod(1) * (sides >= 0).all(1)
    for index in order.tolist():
        if len(kept) == most:
            break
        low, high = boxes[index, :2].maximum(boxes[kept][:, :2]), boxes[index, 2:].minimum(boxes[kept][:, 2:])
        inside = (high - low + extra).clamp(min=0).prod(1)
        shares = torch.where(inside > 0, inside / (areas[index] + areas[kept] - inside), 0.0)
        if (shares <= threshold).all():
            kept.append(index)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return torch.tensor(kept, dtype=torch.long, device=order.device)


def centred(moves, centre, side):
    """Boxes whose centre is moved by shares of their sides, and whose sides are multiplied."""
    middle, half = moves[:, :2] * side + centre, 0.5 * moves[:, 2:].exp() * side
    return torch.cat((middle - half, middle + half), 1)


def decoded(moves, priors, code):
    """The boxes that predictions mean, relative to prior boxes."""
    low, high = priors[:, :2], priors[:, 2:]
    if code == "CORNER":
        return priors + moves
    if code == "CORNER_SIZE":
        return priors + moves * (high - low).repeat(1, 2)
    return centred(moves, (low + high) / 2, high - low)


def find_objects(offsets, scores, priors, rows, classes, background, code, encoded, shared, least, threshold, eta, top, keep):
    """(1, 1, rows, 7): image, label, score and box of the boxes of the highest scores that overlap no better one of their label.

    Rows that are left over are -1; where nothing is found, the first rows have an image each.
    """
    corners, variances = priors.reshape(2, -1, 4)
    found = scores.new_full((rows, 7), -1)
    row = 0
    for image in range(len(scores)):
        chances = scores[image].reshape(-1, classes)
        moves = offsets[image].reshape(len(chances), -1, 4) * (1 if encoded else variances[:, None])
        boxes = [decoded(moves[:, label], corners, code) for label in range(1 if shared else classes)]
        mine = []
        for label in range(classes):
            if label != background:
                own = boxes[0 if shared else label]
                kept = without_overlaps(own, highest(chances[:, label], least, top), threshold, eta, -1, 0)
                numbers = scores.new_tensor([[image, label]]).repeat(len(kept), 1)
                mine.append(torch.cat((numbers, chances[kept, label, None], own[kept]), 1))
        mine = torch.cat(mine)
        if 0 <= keep < len(mine):
            mine = mine[mine[:, 2].argsort(descending=True, stable=True)[:keep]]
            mine = mine[mine[:, 1].argsort(stable=True)]
        found[row : row + len(mine)] = mine
        row += len(mine)
    if row == 0:
        found[: len(scores), 0] = torch.arange(min(len(scores), rows))
    return found.reshape(1, 1, rows, 7)


def propose_regions(scores, moves, info, anchors, stride, least, before, after, threshold):
    """(regions, scores): (image, left, top, right, bottom), the highest score first, in rows of `after` an image.

    Rows that are left over have image -1, and 0 otherwise.
    """
    images, _, height, width = scores.shape
    count, info = len(anchors), info.reshape(info.shape[0], -1).expand(images, -1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    anchor_boxes = (torch.stack((x, y, x, y), -1)[:, :, None].to(scores) * stride + anchors).reshape(-1, 4)
    side = anchor_boxes[:, 2:] - anchor_boxes[:, :2] + 1
    found, row = scores.new_zeros(images * after, 6), 0
    found[:, 0] = -1
    for image in range(images):
        move = moves[image].unflatten(0, (count, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
        boxes = centred(move, anchor_boxes[:, :2] + 0.5 * side, side)
        boxes = boxes.clamp(min=0).minimum(info[image, [1, 0, 1, 0]] - 1)
        factors = info[image, [3, 2] if info.shape[1] > 3 else [2, 2]]
        large = (boxes[:, 2:] - boxes[:, :2] + 1 >= least * factors).all(1)
        boxes, chances = boxes[large], scores[image, count:].permute(1, 2, 0).reshape(-1)[large]
        order = highest(chances, -torch.inf, before if before > 0 else -1)
        kept = without_overlaps(boxes, order, threshold, 1, after, 1)
        found[row : row + len(kept)] = torch.cat((torch.full_like(chances[kept, None], image), boxes[kept], chances[kept, None]), 1)
        row += len(kept)
    return found[:, :5], found[:, 5:]
