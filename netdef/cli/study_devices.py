"""Runs of a study over several devices: a process for each run, one at a time on each device."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Event

import click

from netdef.language.diagnostics import NetdefError

INTERRUPTED = (130, 143, 129)  # exit codes of runs that a signal ended, with a snapshot


@dataclass(frozen=True)
class Job:
    """A run: the words of its command without the device, and its directory.

    is_done: whether a run that failed is one whose failure is a result.
    """

    words: tuple[str, ...]
    out: Path
    is_done: Callable[[], bool] = lambda: False

    @property
    def printed(self) -> Path:
        """The file that takes what it prints."""
        return self.out.parent / f"{self.out.name}.txt"


def run_over(devices: Sequence[str], jobs: Sequence[Job]) -> int:
    """Run all jobs; returns 0, or the exit code of a run that a signal ended.

    Ctrl-C reaches all runs, which end with a snapshot; no others start.

    Raises
    ------
    NetdefError: a run failed; those that were running end as they would.
    """
    free: Queue[str] = Queue()
    for device in devices:
        free.put(device)
    stop = Event()

    def run(job: Job) -> int:
        device = free.get()
        try:
            if stop.is_set():
                return 0
            click.echo(f"{job.out}: on {device}, see {job.printed}", err=True)
            with open(job.printed, "w", encoding="utf-8") as printed:
                words = [sys.executable, "-m", "netdef", *job.words[1:], "--devices", device]
                code = subprocess.run(words, stdout=printed, stderr=subprocess.STDOUT, check=False).returncode
            if code and job.is_done():
                return 0
            if code:
                stop.set()
            return code
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(devices)) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            codes = [future.result() for future in futures]
        except KeyboardInterrupt:
            stop.set()
            raise  # once the runs have ended
    for job, code in zip(jobs, codes, strict=True):
        if code and code not in INTERRUPTED:
            last = job.printed.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise NetdefError(f"{job.out} failed:\n  " + "\n  ".join(last), hint=f"{job.printed} has all that it printed")
    return next((code for code in codes if code), 0)
