"""Where something stands in a file of an inventory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from muster.inventory.document import Document

TEXT = """\
base: &base {port: 22}
host:
  <<: *base
  name: web
"""


class Counted(list[Any]):
    """A list that counts how often it was gone through."""

    times = 0

    def __iter__(self) -> Iterator[Any]:
        Counted.times += 1
        return super().__iter__()


def test_a_mapping_is_gone_through_once_for_all_positions_in_it(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text("".join(f"host-{number}: {{port: {number}}}\n" for number in range(100)))
    document = Document(path)
    document.root.value = Counted(document.root.value)
    for number in range(100):
        position, node = document.at(document.root, (f"host-{number}", "port"))
        assert (position.line, node.value) == (number + 1, str(number))
    assert Counted.times == 1


def test_what_an_alias_brings_in_stands_where_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yaml"
    path.write_text(TEXT)
    document = Document(path)
    before, _ = document.at(document.root, ("host", "port"))
    assert before.line == 3, "it is not known yet: what is around it stands for it"
    document.value(document.root)
    after, _ = document.at(document.root, ("host", "port"))
    assert after.line == 1
