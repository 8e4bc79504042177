"""Compile netdef/schema/*.proto to what the package loads: netdef.desc and documentation.json.

Run it after changing a .proto file, from anywhere: `python tools/make_schema.py`. It needs grpcio-tools (extra `test`).
`--check` writes nothing and fails if the files in the tree are not what it would write.

netdef.desc is a serialised FileDescriptorSet without source information, so that loading it is fast and works with
every release of protobuf. The comments of the .proto files go to documentation.json: {"LRNParameter.group": "..."}.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "netdef" / "schema"

# Field numbers inside descriptor.proto, of which the paths of source locations are made.
FILE_MESSAGES, FILE_ENUMS = 4, 5
MESSAGE_FIELDS, MESSAGE_NESTED, MESSAGE_ENUMS = 2, 3, 4
ENUM_VALUES = 2

Path_ = tuple[int, ...]


def compile_schema() -> descriptor_pb2.FileDescriptorSet:
    """All .proto files of the schema as descriptors, each after those it imports, with source information."""
    import grpc_tools.protoc

    files = sorted(str(path.relative_to(ROOT)) for path in SCHEMA.glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        options = [f"-I{ROOT}", "--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        if status := grpc_tools.protoc.main(["protoc", *options, *files]):
            raise SystemExit(status)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def enum_names(enum: descriptor_pb2.EnumDescriptorProto, path: Path_, scope: str) -> Iterator[tuple[str, Path_]]:
    """The name below the package, and the path in the file, of an enum and of its values."""
    yield scope + enum.name, path
    for index, value in enumerate(enum.value):
        yield f"{scope}{enum.name}.{value.name}", (*path, ENUM_VALUES, index)


def message_names(message: descriptor_pb2.DescriptorProto, path: Path_, scope: str) -> Iterator[tuple[str, Path_]]:
    """The same for a message and all that it holds."""
    yield scope + message.name, path
    inner = f"{scope}{message.name}."
    for index, field in enumerate(message.field):
        yield inner + field.name, (*path, MESSAGE_FIELDS, index)
    for index, enum in enumerate(message.enum_type):
        yield from enum_names(enum, (*path, MESSAGE_ENUMS, index), inner)
    for index, child in enumerate(message.nested_type):
        yield from message_names(child, (*path, MESSAGE_NESTED, index), inner)


def file_names(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, Path_]]:
    """The same for all that a file holds."""
    for index, enum in enumerate(file.enum_type):
        yield from enum_names(enum, (FILE_ENUMS, index), "")
    for index, message in enumerate(file.message_type):
        yield from message_names(message, (FILE_MESSAGES, index), "")


def documentation(files: descriptor_pb2.FileDescriptorSet) -> dict[str, str]:
    """The comment of every message, field, enum and enum value, by its name below the package."""
    texts: dict[str, str] = {}
    for file in files.file:
        comments = {
            tuple(place.path): " ".join((place.leading_comments or place.trailing_comments).split())
            for place in file.source_code_info.location
        }
        texts.update((name, comments.get(path, "")) for name, path in file_names(file))
    return texts


def strip(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Drop what loading does not need: source information and the names in JSON."""
    file.ClearField("source_code_info")
    for message in file.message_type:
        for field in message.field:
            field.ClearField("json_name")


def artifacts() -> dict[Path, bytes]:
    """The generated files and what they should hold."""
    files = compile_schema()
    texts = documentation(files)
    for file in files.file:
        strip(file)
    return {
        SCHEMA / "netdef.desc": files.SerializeToString(deterministic=True),
        SCHEMA / "documentation.json": (json.dumps(texts, indent=0, sort_keys=True) + "\n").encode(),
    }


def main() -> int:
    stale = {path: data for path, data in artifacts().items() if not path.exists() or path.read_bytes() != data}
    for path, data in stale.items():
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} is out of date: run python tools/make_schema.py")
        else:
            path.write_bytes(data)
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
