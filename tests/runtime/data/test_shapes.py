"""What data say of their samples, as far as somebody looks."""

from netdef import loading
from netdef.graph.data_shapes import data_looked_at
from runtime.data import shapes
from runtime.data.source import UnreadableError


def test_a_long_list_of_missing_images_is_not_tried_to_its_end(tmp_path, monkeypatch):
    tried = []

    def missing(path, _):
        tried.append(path)
        raise UnreadableError(path, "there is no such file")

    monkeypatch.setattr(shapes, "read_image", missing)
    (tmp_path / "list.txt").write_text("".join(f"{number}.png 0\n" for number in range(1000)))
    (tmp_path / "x.net").write_text('layer data: ImageData -> data, label { source: "list.txt" batch_size: 2 }')
    with data_looked_at(shapes.shapes_in_data):
        opened = loading.open_net(tmp_path / "x.net")
        assert not opened.net("train", partial=True).layer("data").tops[0].is_sized
    assert len(tried) == shapes.MOST_TRIED
