"""`netdef test` by votes: probabilities averaged over crops of each image, and over several nets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from netdef.cli.arguments import net_and_weights, weights_files, weights_for
from netdef.cli.progress import progress
from netdef.cli.tested_report import Subject, ignored_lines, report_files
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from netdef.cli.tested import Options
    from runtime.data.album import Album
    from runtime.solver.votes import Votes

BEST = (1, 5)  # top-1 and top-5


def test_votes(texts: Sequence[str], crops: int, options: Options) -> list[str]:
    """The errors of nets that vote, in lines.

    Parameters
    ----------
    texts: NET, or NET:WEIGHTS, of each net.  crops: of each image.

    Raises
    ------
    NetdefError: as `netdef test`; or the nets test on other images, or their images have no such crops.
    """
    from runtime.solver.display import duration
    from runtime.solver.votes import together

    if options.iterations is not None:
        raise NetdefError("votes are of all images: --iterations has no place in them", hint="leave --iterations out")
    pairs = [net_and_weights(text) for text in texts]
    if len(pairs) > 1 and options.weights is not None:
        raise NetdefError("--weights is for one net", hint="give each net its own: NET1:WEIGHTS1 NET2:WEIGHTS2")
    begun = time.perf_counter()
    skipped: set[str] = set()
    voters = [voter(net, weights, crops, options, skipped) for net, weights in pairs]
    votes = together([one.votes for one in voters])
    seconds = time.perf_counter() - begun
    classes = votes.probabilities.shape[1]
    numbers = {f"top-{most} error": f"{votes.errors(most):.2%}" for most in BEST if most < classes}
    lines = [f"{name}  {value}" for name, value in numbers.items()]
    how = [f"{votes.images:,} images"]
    how += [f"{crops} crops of each"] if crops > 1 else []
    how += [f"the mean of {plural(len(pairs), 'net')}"] if len(pairs) > 1 else []
    lines.append(f"over {', '.join(how)}, {duration(seconds)} ({votes.images * crops * len(pairs) / seconds:.1f} crops/s)")
    lines += [f"{plural(len(skipped), 'image')} could not be read"] if skipped else []
    if not options.out:
        return [*lines, *ignored_lines(votes)]
    files = [file for one in voters for file in one.files]
    subject = Subject(" and ".join(net for net, _ in pairs), files, numbers)
    with voters[0].album() as album:
        return [*lines, *report_files(options.out, votes, album, voters[0].classes, subject)]


@dataclass(frozen=True)
class Voter:
    """What a net says of all images, and its files of weights.

    album: opens the images, without their views.  classes: that the weights were trained with, where they say so.
    """

    votes: Votes
    files: list[str]
    album: Callable[[], Album]
    classes: Sequence[str]


def voter(path: str, weights: str | None, crops: int, options: Options, skipped: set[str]) -> Voter:
    """What one net says of all its test images; those that cannot be read are added to `skipped`."""
    from netdef.cli.predict import scores_of
    from netdef.cli.tested import held_out, say_skip, tested_net
    from runtime.data import open_source
    from runtime.data.album import open_album
    from runtime.solver.snapshot import read_side
    from runtime.solver.testing import batches_of_pass
    from runtime.solver.votes import votes_of

    net = tested_net(path, options.overrides, options.batch, options.data)
    files = weights_files(weights) if weights is not None else weights_for(path, options.weights)
    side = read_side(files[-1])
    scores, are_probabilities = scores_of(net)
    with options.compiler()(net, seed=side.get("seed"), backward=False, keep="activations") as exe:
        exe.load_weights(files, options.allow_missing)
        opener = partial(open_source, hold_out=held_out(side, net), on_skip=say_skip, views=crops)
        exe.open_sources(opener, side.get("classes"))
        with progress("testing", batches_of_pass(exe)) as on_batch:
            votes = votes_of(exe, scores.name, are_probabilities, crops, on_batch)
        for name, source in exe.sources.items():
            skipped.update(source.skipped)
            album = partial(open_album, exe.net.layer(name), exe.seed, held_out(side, net), side.get("classes"))
    return Voter(votes, files, album, side.get("classes") or ())
