"""Text for language models: corpora, tokenizers, vocabularies, encoded text."""

from fastcands.data.corpus import Corpus, ReadReport, find_text_files, read_text, standard_library
from fastcands.data.encoded import EncodedText
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
    "PreparedCorpus",
    "ReadReport",
    "Tokenizer",
    "Vocabulary",
    "encode_files",
    "find_text_files",
    "prepare_corpus",
    "read_text",
    "standard_library",
    "tokenize_python",
    "tokenize_whitespace",
    "tokenize_words",
]
