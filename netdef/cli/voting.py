"""`netdef test` by votes: probabilities averaged over crops of each image, and over several nets."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from netdef.cli.arguments import net_and_weights, weights_files, weights_for
from netdef.cli.progress import progress
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdef.cli.tested import Options
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
    votes = together([votes_of_net(net, weights, crops, options, skipped) for net, weights in pairs])
    seconds = time.perf_counter() - begun
    classes = votes.probabilities.shape[1]
    lines = [f"top-{most} error  {votes.errors(most):.2%}" for most in BEST if most < classes]
    how = [f"{votes.images:,} images"]
    how += [f"{crops} crops of each"] if crops > 1 else []
    how += [f"the mean of {plural(len(pairs), 'net')}"] if len(pairs) > 1 else []
    lines.append(f"over {', '.join(how)}, {duration(seconds)} ({votes.images * crops * len(pairs) / seconds:.1f} crops/s)")
    return [*lines, f"{plural(len(skipped), 'image')} could not be read"] if skipped else lines


def votes_of_net(path: str, weights: str | None, crops: int, options: Options, skipped: set[str]) -> Votes:
    """What one net says of all its test images; those that cannot be read are added to `skipped`."""
    from netdef.cli.predict import scores_of
    from netdef.cli.tested import held_out, say_skip, tested_net
    from runtime.data import open_source
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
        for source in exe.sources.values():
            skipped.update(source.skipped)
    return votes
