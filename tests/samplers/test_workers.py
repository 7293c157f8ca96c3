"""Samplers in several processes and copies: without a seed no two draw the same, with one `spawn` tells them apart."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcands as fc

SAMPLERS: dict[str, Callable[..., Any]] = {
    "uniform": fc.UniformSampler,
    "log_uniform": fc.LogUniformSampler,
    "learned": fc.LearnedUnigramSampler,
    "fixed": lambda n, **seed: fc.FixedUnigramSampler(n, unigrams=np.arange(1, n + 1), **seed),
}
V = 100_000
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda sampler: pickle.loads(pickle.dumps(sampler)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def draw(sampler: Any) -> list[int]:
    drawn: list[int] = sampler.sample([[0]], 10).sampled_candidates.tolist()
    return drawn


def draw_by_nn(seed: int | None) -> list[int]:
    sampler = fc.nn.log_uniform_candidate_sampler
    drawn: list[int] = sampler([[0]], 1, 10, True, V, seed=seed).sampled_candidates.tolist()
    return drawn


def in_children(method: str, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return what two child processes compute."""
    with multiprocessing.get_context(method).Pool(2, maxtasksperchild=1) as pool:
        return [pool.apply(work, arguments) for _ in range(2)]


def in_forks(work: Callable[[], list[int]]) -> list[list[int]]:
    """Return what two forks of this very process compute."""
    results = []
    for _ in range(2):
        source, target = os.pipe()
        child = os.fork()
        if not child:
            os.write(target, ",".join(map(str, work())).encode())
            os._exit(0)
        os.close(target)
        with os.fdopen(source) as answer:
            results.append(list(map(int, answer.read().split(","))))
        os.waitpid(child, 0)
    return results


forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@forks
@pytest.mark.parametrize("name", SAMPLERS)
def test_forks_of_a_sampler_without_a_seed_draw_anew(name: str) -> None:
    sampler = SAMPLERS[name](V)
    for drawn_before in (False, True):
        draws = [*in_forks(lambda: draw(sampler)), draw(sampler)]
        assert len(set(map(tuple, draws))) == 3, drawn_before


@forks
@pytest.mark.parametrize("name", SAMPLERS)
def test_forks_of_a_sampler_with_a_seed_draw_on(name: str) -> None:
    sampler = SAMPLERS[name](V, seed=3)
    draw(sampler)
    one, other = in_forks(lambda: draw(sampler))
    assert one == other == draw(sampler)


@forks
def test_the_state_in_a_fork_is_that_of_the_draws_to_come() -> None:
    sampler = fc.UniformSampler(V)

    def state_then_draw() -> list[int]:
        state = sampler.state_dict()
        first = draw(sampler)
        sampler.load_state_dict(state)
        return [*first, *draw(sampler)]

    one, other = in_forks(state_then_draw)
    assert one[:10] == one[10:]
    assert one != other


@forks
def test_samplers_of_nn() -> None:
    fc.nn.reset()
    draws = [draw_by_nn(None), *in_forks(lambda: draw_by_nn(None)), draw_by_nn(None)]
    assert len(set(map(tuple, draws))) == 4
    draw_by_nn(7)
    one, other = in_forks(lambda: draw_by_nn(7))
    assert one == other == draw_by_nn(7)


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=list(COPIES))
@pytest.mark.parametrize("name", SAMPLERS)
def test_copies(name: str, make_copy: Callable[[Any], Any]) -> None:
    """Without a seed a copy has a stream of its own, with one it is the same; it keeps what has been learned."""
    for seeded in (False, True):
        sampler = SAMPLERS[name](V, **({"seed": 5} if seeded else {}))
        sampler.sample([[7]], 3)
        copies = [make_copy(sampler) for _ in range(2)]
        assert [each.probability([7]) for each in copies] == [sampler.probability([7])] * 2
        draws = [draw(each) for each in (sampler, *copies)]
        assert len(set(map(tuple, draws))) == (1 if seeded else 3)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_samplers_sent_to_processes(method: str) -> None:
    unseeded, seeded = fc.LogUniformSampler(V), fc.LogUniformSampler(V, seed=1)
    one, other = in_children(method, draw, unseeded)
    assert one != other
    one, other = in_children(method, draw, seeded)
    assert one == other == draw(seeded)


@pytest.mark.parametrize("name", SAMPLERS)
def test_spawned_samplers(name: str) -> None:
    """They are reproducible, differ from each other and from their parent, and do not move it."""
    parents = [SAMPLERS[name](V, seed=11) for _ in range(3)]
    draw(parents[1])  # does not matter
    families = [[*parent.spawn(2), *parent.spawn(1)] for parent in parents]
    draws = [[draw(each) for each in family] for family in families]
    assert draws[0] == draws[2]
    if name != "learned":
        assert draws[0] == draws[1]
    grandchildren = [draw(each) for each in families[0][0].spawn(2)]
    everything = [*draws[0], *grandchildren, draw(parents[0])]
    assert len(set(map(tuple, everything))) == 6
    other = SAMPLERS[name](V, seed=11)
    assert draw(other) == everything[-1]
    assert families[0][0].num_classes == V


def test_spawned_samplers_of_one_without_a_seed_have_none() -> None:
    one, other = fc.UniformSampler(V).spawn(2)
    assert draw(one) != draw(other)
    assert draw(pickle.loads(pickle.dumps(one))) != draw(one)


def test_spawned_samplers_learn_alone() -> None:
    parent = fc.LearnedUnigramSampler(5, seed=1)
    parent.update([2, 2])
    one, other = parent.spawn(2)
    one.update([3])
    assert one.counts().tolist() == [1, 1, 3, 2, 1]
    assert other.counts().tolist() == parent.counts().tolist() == [1, 1, 3, 1, 1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_state_knows_what_was_spawned(name: str) -> None:
    """So that a run that goes on does not hand out a stream twice."""
    parent, other = (SAMPLERS[name](V, seed=11) for _ in range(2))
    parent.spawn(3)
    other.load_state_dict(parent.state_dict())
    expected = draw(parent.spawn(1)[0])
    assert draw(other.spawn(1)[0]) == expected
    assert draw(copy.deepcopy(parent).spawn(1)[0]) == draw(parent.spawn(1)[0])


def test_all_candidates() -> None:
    parts = fc.AllCandidatesSampler(4).spawn(2)
    assert [part.num_classes for part in parts] == [4, 4]


@pytest.mark.parametrize("sampler", [fc.UniformSampler(9, seed=1), fc.AllCandidatesSampler(9)], ids=repr)
def test_how_many(sampler: Any) -> None:
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        sampler.spawn(0)
    with pytest.raises(TypeError, match="n must be an integer, got float"):
        sampler.spawn(1.5)
    if isinstance(sampler, fc.UniformSampler):
        with pytest.raises(ValueError, match=r"state\['spawned'\] must be at least 0, got -1"):
            sampler.load_state_dict(sampler.state_dict() | {"spawned": -1})
