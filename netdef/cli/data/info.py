"""`netdef data info`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.data.options import Skipped, phase_option, root_option, skipped_text, threads_option, workers
from netdef.cli.options import COUNT
from netdef.cli.progress import progress
from netdef.cli.shell import Command
from netdef.language.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.data.records import Records

MOST_SHAPES, MOST_CLASSES = 8, 40  # lines


@click.command(cls=Command)
@click.argument("source")
@root_option
@phase_option
@click.option("--sheet", metavar="FILE", help="Write the first pictures to a .png or a .html.")
@click.option("--pictures", type=COUNT, default=50, show_default=True, metavar="N", help="Pictures on the sheet.")
@threads_option
def command(source: str, root: str | None, phase: str, **options: Any) -> None:
    """What SOURCE holds: records, shapes, classes, and a contact sheet of pictures."""
    from runtime.data.records import open_records

    records = open_records(source, root or "", train=phase == "train")
    if options["sheet"]:
        write_pictures(records, options["sheet"], min(options["pictures"], records.size))
    click.echo("\n".join(describe(records, names_of(records, source), workers(options["threads"]))))


def names_of(records: Records, source: str) -> Sequence[str]:
    """The names of the classes: of folders, or those that a database comes with."""
    from runtime.data.classes import classes_in

    return records.classes or classes_in(source) or ()


def describe(records: Records, names: Sequence[str], threads: int) -> list[str]:
    """A line for each fact; every record is decoded."""
    from runtime.data.copying import in_order
    from runtime.data.records import pixels_of, record_name
    from runtime.data.source import UnreadableError

    def look(index: int) -> tuple[tuple[int, ...], int, str] | UnreadableError:
        name = record_name(records, index)
        try:
            datum = records.datum(index)
            pixels = pixels_of(datum, name)
        except UnreadableError as error:
            return error
        return pixels.shape, datum.label, "image files" if datum.encoded else f"pixels, {pixels.dtype}"

    shapes: Counter[tuple[int, ...]] = Counter()
    labels: Counter[int] = Counter()
    forms: Counter[str] = Counter()
    skip, skipped, order = Skipped(), [], []
    with progress("reading", records.size) as on_done:
        for index, found in enumerate(in_order(look, range(records.size), threads)):
            if isinstance(found, UnreadableError):
                skip(found.path, found.reason)
                skipped.append(found.path)
            else:
                shapes[found[0]] += 1
                labels[found[1]] += 1
                forms[found[2]] += 1
                order.append(found[1])
            on_done(index + 1)
    lines = [f"{records.name}: {plural(records.size, 'record')}{skipped_text(skipped)}"]
    lines += [f"stored as  {form}" + (f" ({count:,})" if len(forms) > 1 else "") for form, count in forms.items()]
    lines += [f"shape      {' x '.join(map(str, shape))}  ({count:,})" for shape, count in shapes.most_common(MOST_SHAPES)]
    if len(shapes) > MOST_SHAPES:
        lines.append(f"           and {len(shapes) - MOST_SHAPES} shapes more")
    if labels:
        lines.append(f"labels     {plural(len(labels), 'class', 'classes')}, {min(labels)} to {max(labels)}")
    for label in sorted(labels)[:MOST_CLASSES]:
        name = names[label] if 0 <= label < len(names) else ""
        lines.append(f"  {label:>6}  {labels[label]:>9,}  {name}".rstrip())
    if len(labels) > MOST_CLASSES:
        lines.append(f"  and {len(labels) - MOST_CLASSES} classes more")
    if len(labels) > 1 and order == sorted(order):
        lines.append("the records are in the order of their labels: shuffle them for training")
    return lines


def write_pictures(records: Records, path: str, count: int) -> None:
    """Write the first pictures to a contact sheet; those that cannot be read are left out."""
    from runtime.data.contact_sheet import write_sheet
    from runtime.data.records import image_in, record_name
    from runtime.data.source import UnreadableError

    names, pictures = names_of(records, records.name), []
    for index in range(count):
        try:
            datum = records.datum(index)
            image = image_in(datum, record_name(records, index))
        except UnreadableError:
            continue  # which `describe` names
        label = datum.label
        pictures.append((image, f"{label} {names[label]}" if 0 <= label < len(names) else str(label)))
    if pictures:
        write_sheet(path, f"{records.name}: the first {len(pictures)} of {records.size:,} records", pictures)
