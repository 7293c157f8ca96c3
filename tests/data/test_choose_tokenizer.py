from __future__ import annotations

import base64
import gzip
import os
import sys
from pathlib import Path

import pytest

from fastcands.data import Corpus, choose_tokenizer

WITH_SPACES = {
    "English": "It was the best of times, it was the worst of times, it was the age of wisdom.\n",
    "German": "Die Donaudampfschifffahrtsgesellschaft wurde in Österreich gegründet; sie besteht fort.\n",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.\n",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।\n",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.\n",
    "code": "    def put(self, key: str, value: int) -> None:\n        self.items[key] = value\n",
    "markup": '<p class="first"><a href="https://example.org/a/long/path">The text</a> of a page.</p>\n',
    "a foreign name": "The city of Beijing (北京) is the capital of China, and its second largest city by far.\n",
}
WITHOUT_SPACES = {
    "Chinese": "人人生而自由,在尊严和权利上一律平等。\n",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。\n",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม\n",
    "Khmer": "មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងភាពស្មើគ្នា\n",
    "manual": ".TP\n.B \\-a, \\-\\-all\n不隐藏任何以 . 开始的项目\n.TP\n.B \\-l\n使用较长格式列出信息 (long listing)\n",
    "markup": '<div class="section"><a href="index.html" title="up">首页</a> <b class="x">安装手册说明</b></div>\n',
}


def chosen(path: Path, content: bytes) -> tuple[str, str | None]:
    path.write_bytes(content)
    return choose_tokenizer(Corpus((path,), (), ()))


@pytest.mark.parametrize("kind", sorted(WITH_SPACES))
def test_words_where_spaces_stand_between_them(tmp_path: Path, kind: str) -> None:
    for content in (WITH_SPACES[kind], WITH_SPACES[kind] * 200):
        assert chosen(tmp_path / "a.txt", content.encode()) == ("words", None)


@pytest.mark.parametrize("kind", sorted(WITHOUT_SPACES))
def test_scripts_without_spaces(tmp_path: Path, kind: str) -> None:
    for content in (WITHOUT_SPACES[kind], WITHOUT_SPACES[kind] * 200):
        name, reason = chosen(tmp_path / "a.txt", content.encode())
        assert name == "bpe"
        assert reason is not None
        assert reason.endswith(" % of the letters are of scripts without spaces between words: words make no sense")


def test_text_with_hardly_any_white_space(tmp_path: Path) -> None:
    encoded = base64.encodebytes(bytes(range(256)) * 100)
    reason = "white space stands only every 76 characters: words make no sense"
    assert chosen(tmp_path / "a.txt", encoded) == ("bpe", reason)
    name, reason_without = chosen(tmp_path / "a.txt", encoded.replace(b"\n", b""))
    assert (name, reason_without) == ("bpe", "white space stands only every 34,136 characters: words make no sense")
    minified = b"a.each({top:'Top',left:'Left'},function(b,c){a.fn[b]=function(d){return this.map(b,d?c[d]:c)}});" * 50
    assert chosen(tmp_path / "a.js", minified)[0] == "bpe"


def test_too_little_text_to_judge_white_space(tmp_path: Path) -> None:
    assert chosen(tmp_path / "a.txt", b"Rindfleischetikettierungsueberwachungsaufgabe") == ("words", None)
    assert chosen(tmp_path / "a.txt", b" \n") == ("words", None)


def test_characters_where_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert chosen(tmp_path / "a.txt", WITHOUT_SPACES["Thai"].encode())[0] == "characters"
    assert chosen(tmp_path / "a.txt", WITH_SPACES["English"].encode())[0] == "words"


def test_the_sample(tmp_path: Path) -> None:
    """Beginnings of files spread over the corpus, unpacked; a pipe is left alone."""
    english, chinese = WITH_SPACES["English"].encode(), WITHOUT_SPACES["Chinese"].encode()
    paths = [tmp_path / f"{i:03d}.txt.gz" for i in range(200)]
    for i, path in enumerate(paths):
        path.write_bytes(gzip.compress(chinese if i >= 150 else english))
    os.mkfifo(tmp_path / "pipe")
    name, reason = choose_tokenizer(Corpus((*paths, tmp_path / "pipe"), (), ()))
    assert name == "bpe"
    assert reason is not None
    assert choose_tokenizer(Corpus((tmp_path / "pipe",), (), ())) == ("words", None)
    assert choose_tokenizer(Corpus(tuple(paths[:150]), tuple(paths[150:]), ())) == ("words", None)
    paths[0].write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="damaged gzip file"):
        choose_tokenizer(Corpus((paths[0],), (), ()))
