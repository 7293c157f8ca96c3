"""Two tasks with many labels from Debian's own package index: real and public data that apt ships.

    python -m bench.debian_packages FOLDER

writes ``FOLDER/tags`` and ``FOLDER/depends``, each with ``train.txt`` and ``test.txt`` in the format of the Extreme
Classification Repository, the names in ``labels.txt`` and ``features.txt``, and the sizes in ``sizes.json``. A point is
a package, and its features are the words of its name and description, weighted by tf-idf. Labels are

- for ``tags`` its debtags, such as ``role::program``: hundreds of labels, several a point;
- for ``depends`` the packages it depends on or recommends: thousands of labels, most of them rare.

The packages are those of the machine's Debian release. ``apt-get update`` puts the index with its English descriptions
into ``FOLDER/lists``, beside the machine's own lists and not in their place; with ``--lists`` a folder of lists that
is there already is read. A release changes little after its date, but the numbers of packages do a bit: ``sizes.json``
tells them.

Packages of one source have much of their description in common, so that a split of packages would test on what was
trained. Therefore each source belongs as a whole to training or to testing: to testing, if the hash of its name falls
into a fifth. Both files are in the order of that hash, so the last points of the training file are a random sample of
sources. What a package depends on from its own source is no label, for it could not be known from other sources. Of
alternatives (``a | b``) the first one counts.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import hashlib
import json
import math
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = [
    "Package", "Vocabulary", "extreme_lines", "hash_of", "packages", "paragraphs", "relations", "tags", "words",
    "write_task",
]  # fmt: skip

TEST_SHARE = 0.2
LEAST_POINTS = 2  # training points that a label and a word must have
_HASH_BITS = 64
_WORD = re.compile(r"[a-z][a-z0-9+]+")
_BEHIND_NAME = re.compile(
    r"[^a-z0-9+.-].*", re.DOTALL
)  # behind a package's name: its architecture, version, alternatives


@dataclasses.dataclass(frozen=True)
class Package:
    """A package.

    Attributes
    ----------
    name, source : str
        Its name and that of its source package.
    text : str
        Name and description.
    tags, depends : tuple of str
        Its debtags, and what it depends on or recommends; each once, in order.
    """

    name: str
    source: str
    text: str
    tags: tuple[str, ...]
    depends: tuple[str, ...]


def paragraphs(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Split the text of an index into its paragraphs.

    Parameters
    ----------
    lines : iterable of str
        With or without line ends.

    Yields
    ------
    dict of str to str
        Fields by name; the lines of a field are joined by line ends.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        line = line.rstrip("\n")
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t":
            fields[name] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def tags(field: str) -> tuple[str, ...]:
    """Return the debtags of a ``Tag`` field; of ``a::{b,c}`` both.

    Parameters
    ----------
    field : str
        The field.

    Returns
    -------
    tuple of str
        Each once, in order.
    """
    found = []
    for tag in re.findall(r"[^\s,{]+(?:\{[^}]*\})?", field):
        stem, brace, choices = tag.partition("{")
        found += [stem + choice.strip() for choice in choices.rstrip("}").split(",")] if brace else [tag]
    return tuple(dict.fromkeys(found))


def relations(field: str) -> tuple[str, ...]:
    """Return the names of the packages in a field such as ``Depends``; of alternatives the first.

    Parameters
    ----------
    field : str
        The field.

    Returns
    -------
    tuple of str
        Each once, in order.
    """
    names = (_BEHIND_NAME.sub("", part.strip()) for part in field.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: letters, digits and +, from two characters, a letter first.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    list of str
        In order.
    """
    return _WORD.findall(text.lower())


def hash_of(name: str) -> int:
    """Return the hash that decides on which side a source is, below 2**64.

    Parameters
    ----------
    name : str
        Of a source package.

    Returns
    -------
    int
        The same everywhere.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[: _HASH_BITS // 8])


def packages(index: Iterable[str], translations: Iterable[str]) -> list[Package]:
    """Return the packages of an index, in the order of the hashes of their sources.

    Parameters
    ----------
    index, translations : iterable of str
        The lines of the files ``Packages`` and ``Translation-en``.

    Returns
    -------
    list of Package
        Of several paragraphs with one name the first.
    """
    long = {p["Description-md5"]: p["Description-en"] for p in paragraphs(translations) if "Description-en" in p}
    found: dict[str, Package] = {}
    sources: dict[str, str] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for fields in paragraphs(index):
        name = fields["Package"]
        if name in found:
            continue
        sources[name] = fields.get("Source", name).split(" ")[0]
        for virtual in relations(fields.get("Provides", "")):
            sources.setdefault(virtual, sources[name])
        described = long.get(fields.get("Description-md5", ""), fields.get("Description", ""))
        wanted[name] = relations(",".join(fields.get(key, "") for key in ("Pre-Depends", "Depends", "Recommends")))
        found[name] = Package(name, sources[name], f"{name}\n{described}", tags(fields.get("Tag", "")), ())
    complete = []
    for package in sorted(found.values(), key=lambda p: (hash_of(p.source), p.name)):
        others = tuple(name for name in wanted[package.name] if sources.get(name) != package.source)
        complete.append(dataclasses.replace(package, depends=others))
    return complete


class Vocabulary:
    """Numbers of names that are in enough lists, in the order of their frequency.

    Parameters
    ----------
    lists : iterable of iterable of str
        Of the training points.
    least : int
        In how many lists a name must be.

    Attributes
    ----------
    names : list of str
        The most frequent first, and by name among equals.
    ids : dict of str to int
        The place of each.
    counts : list of int
        In how many lists each is.
    """

    def __init__(self, lists: Iterable[Iterable[str]], least: int = LEAST_POINTS) -> None:
        counts = collections.Counter(name for names in lists for name in set(names))
        kept = sorted((-count, name) for name, count in counts.items() if count >= least)
        self.names = [name for _, name in kept]
        self.counts = [-count for count, _ in kept]
        self.ids = {name: i for i, name in enumerate(self.names)}


def extreme_lines(
    texts: list[list[str]], labels: list[Iterable[str]], features: Vocabulary, names: Vocabulary, num_points: int
) -> Iterator[str]:
    """Format points; the value of a word is ``(1 + ln n) ln(N / points)``, and a point has the length 1.

    Parameters
    ----------
    texts : list of list of str
        The words of each point.
    labels : list of iterable of str
        The labels of each point.
    features, names : Vocabulary
        The words and labels that are known; others are left out.
    num_points : int
        N, the training points.

    Yields
    ------
    str
        A line a point, with its end.
    """
    for text, given in zip(texts, labels, strict=True):
        counted = collections.Counter(features.ids[word] for word in text if word in features.ids)
        values = {i: (1 + math.log(n)) * math.log(num_points / features.counts[i]) for i, n in counted.items()}
        length = math.sqrt(sum(value * value for value in values.values())) or 1.0
        pairs = " ".join(f"{i}:{values[i] / length:.5f}" for i in sorted(values))
        ids = sorted(names.ids[name] for name in given if name in names.ids)
        yield f"{','.join(map(str, ids))} {pairs}\n"


def write_task(folder: Path, given: list[Package], kind: str) -> dict[str, float]:
    """Write the files of one task; packages without a label that is kept are left out.

    Parameters
    ----------
    folder : Path
        Where to; made if need be.
    given : list of Package
        In the order of the files.
    kind : {'tags', 'depends'}
        What the labels are.

    Returns
    -------
    dict of str to float
        What ``sizes.json`` holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    border = TEST_SHARE * 2**_HASH_BITS
    parts = [[p for p in given if (hash_of(p.source) < border) == test] for test in (False, True)]
    names = Vocabulary(getattr(p, kind) for p in parts[0])
    train, test = ([p for p in part if not names.ids.keys().isdisjoint(getattr(p, kind))] for part in parts)
    texts = [[words(p.text) for p in part] for part in (train, test)]
    features = Vocabulary(texts[0])
    for name, part, text in zip(("train", "test"), (train, test), texts, strict=True):
        lines = extreme_lines(text, [getattr(p, kind) for p in part], features, names, len(train))
        with (folder / f"{name}.txt").open("w", encoding="ascii", newline="\n") as file:
            file.write(f"{len(part)} {len(features.names)} {len(names.names)}\n")
            file.writelines(lines)
    (folder / "labels.txt").write_text("\n".join(names.names) + "\n")
    (folder / "features.txt").write_text("\n".join(features.names) + "\n")
    sizes: dict[str, float] = {
        "train_points": len(train),
        "test_points": len(test),
        "features": len(features.names),
        "labels": len(names.names),
        "labels_a_point": round(sum(names.counts) / len(train), 2),
        "words_a_point": round(sum(len(set(t) & features.ids.keys()) for t in texts[0]) / len(train), 1),
        "points_of_the_median_label": sorted(names.counts)[len(names.counts) // 2],
    }
    (folder / "sizes.json").write_text(json.dumps(sizes, indent=2) + "\n")
    return sizes


def _apt(lists: Path, *command: str) -> str:
    options = ["-o", f"Dir::State::lists={lists.absolute()}/", "-o", "Acquire::Languages=en"]
    found = subprocess.run([*command, *options], check=True, capture_output=True, text=True, encoding="utf-8")
    return found.stdout


def _index(lists: Path, kind: str) -> list[str]:
    """Return the lines of all indexes of a kind, those of the release before those of its updates."""
    command = ("apt-get", "indextargets", "--format", "$(FILENAME)", f"Created-By: {kind}")
    files = sorted(_apt(lists, *command).split(), key=len)
    unpacked = (_apt(lists, "/usr/lib/apt/apt-helper", "cat-file", file) for file in files)
    return [line for text in unpacked for line in [*text.split("\n"), ""]]


def main() -> None:
    """Write both tasks."""
    parser = argparse.ArgumentParser(prog="python -m bench.debian_packages", description="Write both tasks.")
    parser.add_argument("folder", type=Path, help="where the folders tags and depends go")
    parser.add_argument("--lists", type=Path, help="a folder of apt's lists with Translation-en")
    given = parser.parse_args()
    lists = given.lists or given.folder / "lists"
    if not lists.is_dir():
        (lists / "partial").mkdir(parents=True)
        _apt(lists, "apt-get", "update")
    found = packages(_index(lists, "Packages"), _index(lists, "Translations"))
    for kind in ("tags", "depends"):
        print(kind, json.dumps(write_task(given.folder / kind, found, kind)))


if __name__ == "__main__":
    main()
