"""A saved state says what it belongs to, and is refused by any other sampler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcands as fc

COUNTS = np.arange(1.0, 9.0)
SAMPLERS: dict[str, Any] = {
    "plain": lambda **seed: fc.FixedUnigramSampler(8, unigrams=COUNTS, **seed),
    "other counts": lambda **seed: fc.FixedUnigramSampler(8, unigrams=COUNTS[::-1], **seed),
    "distorted": lambda **seed: fc.FixedUnigramSampler(8, unigrams=COUNTS, distortion=0.75, **seed),
    "reserved": lambda **seed: fc.FixedUnigramSampler(8, unigrams=COUNTS[:6], num_reserved_ids=2, **seed),
    "shard 0": lambda **seed: fc.FixedUnigramSampler(8, unigrams=np.arange(1.0, 17.0), num_shards=2, shard=0, **seed),
    "shard 1": lambda **seed: fc.FixedUnigramSampler(8, unigrams=np.arange(1.0, 17.0), num_shards=2, shard=1, **seed),
    "learned": lambda **seed: fc.LearnedUnigramSampler(8, **seed),
    "uniform": lambda **seed: fc.UniformSampler(8, **seed),
    "log-uniform": lambda **seed: fc.LogUniformSampler(8, **seed),
    "all": lambda **seed: fc.AllCandidatesSampler(8),
}


@pytest.mark.parametrize("theirs", SAMPLERS)
@pytest.mark.parametrize("ours", SAMPLERS)
def test_a_state_goes_to_its_like_only(ours: str, theirs: str) -> None:
    sampler, other = SAMPLERS[ours](seed=1), SAMPLERS[theirs](seed=2)
    before = sampler.state_dict()
    if ours == theirs:
        sampler.load_state_dict(other.state_dict())
        return
    with pytest.raises(ValueError, match="state"):
        sampler.load_state_dict(other.state_dict())
    np.testing.assert_equal(sampler.state_dict(), before)


def test_the_message() -> None:
    state = SAMPLERS["distorted"](seed=1).state_dict()
    message = (
        r"state must be of a sampler with the same weights \(unigrams or vocab_file, distortion, num_reserved_ids, "
        r"shard\): its weights_digest is '[0-9a-f]{32}', this sampler's is '[0-9a-f]{32}'"
    )
    with pytest.raises(ValueError, match=message):
        SAMPLERS["plain"](seed=1).load_state_dict(state)


def test_the_same_weights_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text("".join(f"w,{count}\n" for count in COUNTS))
    from_file = fc.FixedUnigramSampler(8, vocab_file=path, seed=1)
    from_file.load_state_dict(SAMPLERS["plain"](seed=2).state_dict())


def test_a_state_of_version_0_1_has_no_digest() -> None:
    """It is taken as it was: number of classes and kind of sampler have to agree."""
    sampler, other = SAMPLERS["plain"](seed=1), SAMPLERS["plain"](seed=2)
    old = {"sampler": "FixedUnigramSampler", "num_classes": 8, "seeds": (5, 6), "position": 512}
    sampler.load_state_dict(old)
    other.load_state_dict(sampler.state_dict())
    assert sampler.sample([[1]], 4).sampled_candidates.tolist() == other.sample([[1]], 4).sampled_candidates.tolist()
    with pytest.raises(ValueError, match=r"state\['num_classes'\] must be 8 as in this sampler, got 9"):
        sampler.load_state_dict(old | {"num_classes": 9})


def test_a_table_file_with_the_state_of_another_sampler(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    fc.ClassTable(8, 2).save(path, samplers={"train": SAMPLERS["distorted"](seed=1)})
    fc.ClassTable.load(path, samplers={"train": SAMPLERS["distorted"](seed=2)})
    with pytest.raises(ValueError, match="state must be of a sampler with the same weights"):
        fc.ClassTable.load(path, samplers={"train": SAMPLERS["plain"](seed=2)})
