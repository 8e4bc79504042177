"""In messages of which size gradients are sent."""

from __future__ import annotations

from math import sqrt

import pytest

from netdef import NetdefError
from runtime.machine.ranks.bucket import LEAST, MOST, bandwidth_of, best_bucket, bucket_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("4MB", 4 << 20), ("512 kB", 512 << 10), ("1.5MiB", 3 << 19), ("65536", 65536), ("1g", 1 << 30), ("64 KiB", 65536)],
)
def test_sizes(text: str, size: int) -> None:
    assert bucket_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0MB", "-1MB", "4 megabytes", "0.1B", "MB", "nan", pytest.param(f"{10**400}", id="too large")]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(NetdefError, match=f"--bucket {text} is no size of a message") as caught:
        bucket_size(text)
    assert "--bucket 4MB, say" in str(caught.value)


@pytest.mark.parametrize(("text", "size"), [("4", "4"), ("1", "1"), ("7B", "7"), ("63KB", "64,512")])
def test_a_size_that_makes_too_many_messages(text: str, size: str) -> None:
    with pytest.raises(NetdefError, match=f"--bucket {text} is {size} bytes, less than 64.0 KiB") as caught:
        bucket_size(text)
    assert "--bucket 4MB, say" in str(caught.value)


def test_the_best_size_has_the_least_overhead() -> None:
    size, latency, bandwidth = 122e6, 50e-6, 2e9

    def overhead(bucket: float) -> float:
        return size / bucket * latency + bucket / bandwidth

    best = best_bucket(size, latency, bandwidth)
    assert best == round(sqrt(size * latency * bandwidth))
    assert overhead(best) <= min(overhead(best / 2), overhead(2 * best))
    assert best_bucket(1, latency, bandwidth) == LEAST
    assert best_bucket(1e12, 1, bandwidth) == MOST


def test_noise_is_no_bandwidth() -> None:
    assert bandwidth_of(4000, 1.0, 5.0) == 1000
    assert bandwidth_of(4000, 3.0, 5.0) == bandwidth_of(4000, 6.0, 5.0) == 1600
