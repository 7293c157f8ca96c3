"""Data for models: corpora, tokenizers, vocabularies and encoded text; sparse points with many labels."""

from fastcands.data.corpus import Corpus, ReadReport, find_text_files, read_text, standard_library
from fastcands.data.encoded import EncodedText
from fastcands.data.extreme import ExtremeData
from fastcands.data.extreme_file import parse_points, read_extreme
from fastcands.data.prepare import PreparedCorpus, encode_files, prepare_corpus
from fastcands.data.tokenizers import (
    TOKENIZERS,
    Tokenizer,
    tokenize_python,
    tokenize_whitespace,
    tokenize_words,
)
from fastcands.data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary

__all__ = [
    "BOUNDARY",
    "TOKENIZERS",
    "UNKNOWN",
    "Corpus",
    "EncodedText",
    "ExtremeData",
    "PreparedCorpus",
    "ReadReport",
    "Tokenizer",
    "Vocabulary",
    "encode_files",
    "find_text_files",
    "parse_points",
    "prepare_corpus",
    "read_extreme",
    "read_text",
    "standard_library",
    "tokenize_python",
    "tokenize_whitespace",
    "tokenize_words",
]
