"""How labels are taken in runs, each of which makes one sum."""

LABELS = 1024  # in a run


def runs_of(labels: int) -> int:
    """How many runs so many labels make."""
    return -(-labels // LABELS)
