"""The feed-forward n-gram language model of Bengio et al. 2003, with a class table as its output layer.

User code of the library: little but its public names and NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models.feed_forward import Activations, FeedForward
from fastcands.models.language_model import LanguageModel
from fastcands.models.ngram_predictor import NGramPredictor
from fastcands.validation.error_state import own_error_state

__all__ = ["NGramModel"]

Array = NDArray[Any]


class NGramModel(LanguageModel):
    """Predicts a word from the n words before it.

    For the context ``w1 … wn``, with `C` the embedding, `U` and `b` the weights and biases of the table::

        inputs = C[w1] | C[w2] | … | C[wn]
        hidden = tanh(inputs @ A + a)
        features = hidden @ F + f
        logits = features @ U.T + b

    Bengio's model with one change: the linear layer `F` stands between hidden layer and output layer. So the
    hidden layer may be wide while the table, whose rows cost memory and time for every word, is narrow.

    Parameters
    ----------
    vocab_size : int
        V, the words; also the classes of the table.
    context : int
        n, the words a prediction sees.
    embedding_dim : int
        E, length of a word's embedding.
    hidden_dim : int
        H, width of the tanh layer.
    feature_dim : int, optional
        D, width of the class table; `embedding_dim` by default.
    tied : bool, default False
        Whether `C` is `U`: one array, which then gets two steps, each with an optimizer state of its own. D must be E.
        `A` starts smaller or larger by as much as a class table's rows start larger or smaller than an embedding's.
    dropout : float, default 0
        The share of the inputs and of the hidden values that is dropped in training, in [0, 1).
    optimizer : Optimizer, default Adagrad(lr=0.1)
        For the embedding and the class table.
    dense_optimizer : Optimizer, optional
        For the layers between them; `optimizer` by default. Every element of theirs gets a gradient at every
        step, so a lower learning rate suits them.
    class_counts : array, shape (V,), optional
        How often each word is predicted in training. The table's biases then start at the logarithms of the
        words' frequencies (each count plus one), and training starts from a unigram model.
    dtype : {'float32', 'float64'}, default 'float32'
        Of all parameters.
    table_dtype : {'float32', 'float64', 'bfloat16'}, optional
        Of the class table, if it is another; see `ClassTable`.
    seed : int, default 0
        Of the initial parameters.

    Attributes
    ----------
    table : ClassTable
        The output layer.
    layers : FeedForward
        The layers before it.
    dense_optimizer : Optimizer
        As given.
    optimizer_state : dict of str to dict
        The optimizers' state for each parameter of `layers`.
    context : int
        n.
    tied, dropout
        As given; another `dropout` can be set between steps.
    step : int
        Steps made.
    logit_offsets : float32 array, shape (V,), or None
        Added to the logits in predictions, but not in the training loss. Negative sampling learns log P - log Q: with
        log Q here, its predictions are P like those of the other losses.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1, `class_counts` are not V counts of at least 0, `dropout` is not in [0, 1), or D is not E
        in a tied model.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin 2003, Journal of Machine Learning Research 3, section 2. Press and Wolf 2017,
    "Using the Output Embedding to Improve Language Models", EACL (`tied`).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> from fastcands.models import NGramModel
    >>> model = NGramModel(50, context=2, embedding_dim=4, hidden_dim=8, seed=1)
    >>> loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(50, seed=2), num_sampled=10)
    >>> contexts, words = np.array([[0, 1], [1, 2], [2, 3]]), np.array([2, 3, 4])
    >>> before = model.log_loss(contexts, words)
    >>> for _ in range(100):
    ...     _ = model.train_step(loss, contexts, words)
    >>> model.log_loss(contexts, words) < before / 2
    True
    """

    layers: FeedForward

    @own_error_state
    def __init__(
        self,
        vocab_size: int,
        *,
        context: int,
        embedding_dim: int,
        hidden_dim: int,
        feature_dim: int | None = None,
        tied: bool = False,
        dropout: float = 0.0,
        optimizer: Any = fc.Adagrad(lr=0.1),  # noqa: B008 - immutable
        dense_optimizer: Any = None,
        class_counts: Any = None,
        dtype: DTypeLike = "float32",
        table_dtype: DTypeLike | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            vocab_size,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            feature_dim=feature_dim,
            tied=tied,
            dropout=dropout,
            optimizer=optimizer,
            dense_optimizer=dense_optimizer,
            class_counts=class_counts,
            dtype=dtype,
            table_dtype=table_dtype,
            seed=seed,
        )
        self.context = context
        layers = FeedForward(
            vocab_size,
            context=context,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            feature_dim=self.table.dim,
            dtype=dtype,
            seed=self._layers_seed,
            embedding=self.table.weights if tied else None,
        )
        self._start(layers)

    @own_error_state
    def forward(self, contexts: Any) -> Activations:
        """Compute the inputs of the class table for each context.

        Parameters
        ----------
        contexts : integer array, shape (B, n)
            Ids in [0, V), the oldest word first.

        Returns
        -------
        Activations
            All layers' values; ``features`` is what the class table gets.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward``.
        """
        return self.layers.forward(contexts)

    @own_error_state
    def train_step(self, loss: Any, contexts: Any, words: Any) -> Array:
        """Make one step on the mean loss of a batch.

        Parameters
        ----------
        loss : loss object
            ``fc.SampledSoftmaxLoss(…)``, ``fc.SoftmaxLoss()`` or another loss of the library.
        contexts : integer array, shape (B, n)
            The words before, the oldest first; B at least 1.
        words : integer array, shape (B,)
            The words to predict.

        Returns
        -------
        array, shape (B,)
            The loss of each example, before the step.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``ClassTable.train_step``. The model is then as before, unless the step of a
            layer below the table overflows: the table alone has moved then.
        """
        activations = self.layers.forward(contexts, dropout=self.dropout, seed=self._dropout_key)
        return self._make_step(loss, words, activations)

    @own_error_state
    def train_on(self, loss: Any, text: EncodedText, positions: Any) -> Array:
        """Make one step on words of a text.

        Parameters
        ----------
        loss : loss object
            As in `train_step`.
        text : EncodedText
            The text.
        positions : integer array, shape (B,)
            Where the words to predict are, in any order.

        Returns
        -------
        array, shape (B,)
            The loss of each word, before the step.

        Raises
        ------
        TypeError, ValueError
            As ``EncodedText.contexts`` and `train_step`.
        """
        contexts = text.contexts(positions, self.context)
        return self.train_step(loss, contexts, text.ids[np.asarray(positions)])

    @own_error_state
    def log_loss(self, contexts: Any, words: Any) -> float:
        """Return the mean of ``-log P(word | context)``, exactly: over all classes.

        Parameters
        ----------
        contexts : integer array, shape (N, n)
            The words before.
        words : integer array, shape (N,)
            The words that follow; N at least 1.

        Returns
        -------
        float
            In nats. Its exponential is the perplexity.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``SoftmaxLoss.value``.
        """
        return self.predictor().log_loss(contexts, words)

    def predictor(self, boundary_id: int = 0) -> NGramPredictor:
        """Return the model for prediction.

        Parameters
        ----------
        boundary_id : int, default 0
            Id of the word that ends documents; see `NGramPredictor`.

        Returns
        -------
        NGramPredictor
            It shares the parameters, and has the biases of this moment.
        """
        return NGramPredictor(self.layers, *self._table_arrays(), self.logit_offsets, boundary_id=boundary_id)
