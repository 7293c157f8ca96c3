"""Language models: the neural one the library serves, and the counting ones it is compared with."""

from fastcands.models.kneser_ney import KneserNeyTrigram
from fastcands.models.ngram import NGramModel
from fastcands.models.unigram import UnigramModel

__all__ = ["KneserNeyTrigram", "NGramModel", "UnigramModel"]
