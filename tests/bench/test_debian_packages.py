"""The data made of Debian's package index: its pure functions, on an index of a few lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import debian_packages
from bench.debian_packages import Vocabulary, extreme_lines, packages, paragraphs, relations, tags, words, write_task
from fastcands.data import read_extreme

INDEX = """\
Package: tool
Source: toolkit (1.2)
Depends: libtool1 (>= 1.0), python3:any, mta | mail-reader, abi-7
Recommends: python3:any, editor
Description: a tool
Description-md5: 11
Tag: role::program, interface::{commandline,text-mode},
 use::editing

Package: libtool1
Source: toolkit
Provides: abi-7 (= 1)
Description: its library

Package: tool
Source: other
Description: the same name again
"""
TRANSLATIONS = """\
Package: tool
Description-md5: 11
Description-en: a tool
 It edits C++ files.
 .
 And more.
"""


def test_paragraphs_keep_the_lines_of_a_field() -> None:
    first = next(paragraphs(["A: 1\n", "B: 2\n", "  more\n", "\n", "A: 3\n"]))
    assert first == {"A": "1", "B": "2\nmore"}
    assert len(list(paragraphs(["", "A: 1", "", "", "A: 2", ""]))) == 2


def test_tags_and_relations() -> None:
    assert tags("a::b, c::{d, e},\nf::g, a::b") == ("a::b", "c::d", "c::e", "f::g")
    assert tags("") == relations("") == ()
    assert relations("a (>= 1.0), b:any, c | d, libe++-1.2,\n a") == ("a", "b", "c", "libe++-1.2")


def test_words() -> None:
    assert words("C++ and GTK-3.0 for 2D, x86_64") == ["c++", "and", "gtk", "for", "x86"]


def test_packages_know_their_source_description_and_labels() -> None:
    found = {p.name: p for p in packages(INDEX.splitlines(), TRANSLATIONS.splitlines())}
    assert set(found) == {"tool", "libtool1"}
    tool = found["tool"]
    assert tool.source == "toolkit"
    assert "It edits C++ files." in tool.text
    assert found["libtool1"].text == "libtool1\nits library"
    assert tool.tags == ("role::program", "interface::commandline", "interface::text-mode", "use::editing")
    assert tool.depends == ("python3", "mta", "editor")  # not libtool1 and abi-7, which are of its own source


def test_vocabulary_is_by_frequency() -> None:
    vocabulary = Vocabulary([["b", "a", "b"], ["a"], ["c", "b"], ["d"]])
    assert (vocabulary.names, vocabulary.counts, vocabulary.ids) == (["a", "b"], [2, 2], {"a": 0, "b": 1})


def test_a_point_has_the_weights_of_its_words() -> None:
    features, labels = Vocabulary([["x", "y"], ["x"], ["y"], ["x"]]), Vocabulary([["l"], ["l"]])
    (line,) = extreme_lines([["x", "y", "y", "rare"]], [["l", "unknown"]], features, labels, num_points=4)
    weights = np.array([np.log(4 / 3), (1 + np.log(2)) * np.log(4 / 2)])
    expected = weights / np.linalg.norm(weights)
    assert line == f"0 0:{expected[0]:.5f} 1:{expected[1]:.5f}\n"


def test_a_source_is_on_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = debian_packages.Package
    given = [
        package(f"p{i}", f"s{i % 40}", f"common word{i % 2} of{i % 40}", (f"t{i % 2}", "all", f"only{i}"), ())
        for i in range(200)
    ]
    given.sort(key=lambda p: (debian_packages.hash_of(p.source), p.name))
    sizes = write_task(tmp_path, given, "tags")
    train, test = read_extreme(tmp_path / "train.txt"), read_extreme(tmp_path / "test.txt")
    assert len(train) + len(test) == 200
    assert len(train) % 5 == 0  # five packages a source
    assert 0.1 < len(test) / 200 < 0.4
    names = (tmp_path / "labels.txt").read_text().split()
    assert names[0] == "all"
    assert set(names) == {"all", "t0", "t1"}  # what one package has alone is no label
    assert json.loads((tmp_path / "sizes.json").read_text()) == sizes
    assert sizes["train_points"] == len(train)
    assert sizes["labels_a_point"] == 2
