"""Long sums are taken in runs, each of which makes one partial sum: how many lowering makes room for, and every device keeps to."""

ELEMENTS = 16384  # in a run of an array's elements
LABELS = 1024  # in a run of labels, each of which reads a score or more


def element_runs(size: int) -> int:
    """How many runs so many elements make."""
    return -(-size // ELEMENTS)


def label_runs(labels: int) -> int:
    """How many runs so many labels make."""
    return -(-labels // LABELS)


def row_runs(segments: int, length: int) -> int:
    """How many runs a row makes that lies in segments of this length: several short segments together, long ones in pieces."""
    return -(-segments // max(1, ELEMENTS // length)) * -(-length // ELEMENTS)
