"""Data for models: corpora, tokenizers, vocabularies and encoded text; sparse points with many labels."""

from fastcands.data.byte_pairs import BytePairTokenizer
from fastcands.data.choose_tokenizer import choose_tokenizer
from fastcands.data.corpus import Corpus, find_text_files, standard_library
from fastcands.data.encoded import EncodedText
from fastcands.data.extreme import ExtremeData
from fastcands.data.extreme_file import parse_points, read_extreme
from fastcands.data.load_tokenizer import TOKENIZER_NAMES, load_tokenizer
from fastcands.data.prepare import PreparedCorpus, encode_files, prepare_corpus
from fastcands.data.reading import ReadReport, read_text
from fastcands.data.tokenizers import (
    TOKENIZERS,
    Tokenizer,
    tokenize_characters,
    tokenize_python,
    tokenize_whitespace,
    tokenize_words,
)
from fastcands.data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary

__all__ = [
    "BOUNDARY",
    "TOKENIZERS",
    "TOKENIZER_NAMES",
    "UNKNOWN",
    "BytePairTokenizer",
    "Corpus",
    "EncodedText",
    "ExtremeData",
    "PreparedCorpus",
    "ReadReport",
    "Tokenizer",
    "Vocabulary",
    "choose_tokenizer",
    "encode_files",
    "find_text_files",
    "load_tokenizer",
    "parse_points",
    "prepare_corpus",
    "read_extreme",
    "read_text",
    "standard_library",
    "tokenize_characters",
    "tokenize_python",
    "tokenize_whitespace",
    "tokenize_words",
]
