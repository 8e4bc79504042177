"""`netdef data info`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from netdef.cli.data.options import Skipped, phase_option, root_option, skipped_text, threads_option, workers
from netdef.cli.options import COUNT
from netdef.cli.progress import progress
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
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
    """What SOURCE holds: records, shapes, classes, and a contact sheet of pictures.

    SOURCE may be an HDF5 file too, whose datasets are shown.
    """
    from runtime.data.hdf5_facts import is_hdf5_file
    from runtime.data.record_sources import open_records

    if not options["sheet"]:
        refuse("pictures", "is for --sheet")
    if is_hdf5_file(source):
        refuse("root", "is for the paths of a list, which an HDF5 file has none of")
        refuse("phase", "is for folders, and not for an HDF5 file")
        refuse("threads", "is for records that are decoded, which an HDF5 file has none of")
        click.echo("\n".join(hdf5_lines(source, options["sheet"], options["pictures"])))
        return
    records = open_records(source, root or "", train=phase == "train")
    if options["sheet"]:
        write_pictures(records, options["sheet"], min(options["pictures"], records.size))
    click.echo("\n".join(describe(records, names_of(records, source), workers(options["threads"]))))


def refuse(option: str, why: str) -> None:
    """Raises NetdefError if an option is on the command line."""
    if click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE:
        raise NetdefError(f"--{option} {why}", hint="leave it out")


def hdf5_lines(path: str, sheet: str | None, count: int) -> list[str]:
    """A line for each fact about an HDF5 file, whose first pictures are written to a sheet."""
    from runtime.data.contact_sheet import write_sheet
    from runtime.data.hdf5_facts import datasets_of, pictures_of

    if sheet:
        pictures = pictures_of(path, count)
        write_sheet(sheet, f"{path}: the first {plural(len(pictures), 'row')}", pictures)
    found = datasets_of(path)
    lines = [f"{path}: HDF5, {plural(len(found), 'dataset')}"]
    for one in found:
        values = "no values" if one.least is None else f"{one.least:g} to {one.greatest:g}"
        wrong = f", {plural(one.wrong, 'number')} not finite" if one.wrong else ""
        shape = " x ".join(map(str, one.shape)) or "1"
        lines.append(f"{one.name}: {plural(one.rows, 'row')} of {shape}, {one.dtype}, {values}{wrong}")
        if one.labels is not None and len(one.labels) <= MOST_CLASSES:
            lines += [f"  {label:>6}  {rows:>9,}" for label, rows in sorted(one.labels.items())]
    return lines


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
    if not pictures:
        raise NetdefError(f"{records.name} has no pictures of bytes with 1 or 3 channels", hint="leave --sheet out")
    write_sheet(path, f"{records.name}: the first {len(pictures)} of {records.size:,} records", pictures)
