"""Jobs: their arrays are what they declare, and stages touch only what is declared for them.

What stages read and write is found in their source: the fields of `job` that a stage, and every function that gets the
job from it, names.
"""

import ast
import inspect
import textwrap
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastcands as fc
from fastcands.kernels.full_loss.all_classes import class_gradients, class_sums
from fastcands.kernels.full_loss.job import FullLossJob, FullLossSizes, FullLossWorkspace
from fastcands.kernels.sampled_loss.job import SampledLossJob, SampledLossSizes, SampledLossWorkspace
from fastcands.kernels.sampled_loss.stages import normalized_stages, per_logit_stages
from fastcands.stages import StagedKernel
from fastcands.workspace import Field, given
from tests.losses.problems import make


def fields_of(function, seen=None):
    """Return the fields of the job that a stage and what it calls name."""
    seen = set() if seen is None else seen
    function = getattr(function, "py_func", function)
    if function in seen:
        return set()
    seen.add(function)
    tree, found = ast.parse(textwrap.dedent(inspect.getsource(function))), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "job":
            found.add(node.attr)
        gets_job = isinstance(node, ast.Call) and any(
            isinstance(each, ast.Name) and each.id == "job" for each in node.args
        )
        if gets_job and isinstance(node.func, ast.Name):
            found |= fields_of(function.__globals__[node.func.id], seen)
    return found


def declared(*kinds):
    """Return the declared fields of a job and its workspace by name."""
    return {name: field for kind in kinds for name, field in kind._field_defaults.items()}


def findings(chains, fields):
    """List the fields that a stage names though none is declared for it, and those declared that no stage names."""
    found, named_by = [], {}
    for stages in chains:
        for name, stage in stages.items():
            named = fields_of(stage) & set(fields)
            named_by.setdefault(name, set()).update(named)
            meant = {key for key, field in fields.items() if name in f"{field.written} {field.read}".split()}
            found += [f"{name} names {each}" for each in sorted(named - meant)]
    for key, field in fields.items():
        for name in set(f"{field.written} {field.read}".split()) - {"caller"}:
            if key not in named_by.get(name, ()):
                found.append(f"{name} does not name {key}")
    return sorted(set(found))


# job: its declarations, and the chains that work on it
JOBS = {
    "sampled": ((SampledLossJob, SampledLossWorkspace), (normalized_stages, per_logit_stages)),
    "full": ((FullLossJob, FullLossWorkspace), (class_sums, class_gradients)),
}


@pytest.mark.parametrize("job", JOBS)
def test_stages_name_what_is_declared_for_them(job):
    kinds, chains = JOBS[job]
    assert findings([chain.stages for chain in chains], declared(*kinds)) == []


class _Job(NamedTuple):
    first: Any = given(lambda n: (n,), read="one")
    second: Any = given(lambda n: (n,), read="one two")


def _helper(job):
    return job.second


def _one(worker, num_threads, counter, job):
    job.first[0] = _helper(job)


def _two(worker, num_threads, counter, job):
    job.first[0] = 1


def test_wrong_declarations_are_found():
    assert findings([{"one": _one}, {"two": _two}], declared(_Job)) == ["two does not name second", "two names first"]


def test_every_array_is_declared():
    for kinds, _ in JOBS.values():
        for kind in kinds:
            annotations = inspect.get_annotations(kind)
            arrays = {name for name, annotation in annotations.items() if "Any" in str(annotation)}
            assert arrays == {name for name, field in kind._field_defaults.items() if isinstance(field, Field)}


def _check(values, sizes, optional):
    for name, field in type(values)._field_defaults.items():
        value, shape = getattr(values, name), field.shape(sizes)
        if field.kind == "number":
            assert value == shape, name
            continue
        assert value.dtype == np.dtype(sizes.dtype if field.dtype is None else field.dtype), name
        assert value.shape == shape or (name in optional and value.size == 0), name
        assert value.flags.c_contiguous, name


def _sampled_sizes(job, workspace):
    examples, width = job.inputs.shape
    return SampledLossSizes(
        job.inputs.dtype, examples, job.labels.shape[1], len(job.sampled), width, job.needs_grad, len(workspace.sums)
    )


def _full_sizes(job, workspace):
    examples, width = job.inputs.shape
    needs_grad = len(job.weight_rows) > 0
    return FullLossSizes(
        job.inputs.dtype, job.table.total, examples, width, len(job.label_rows), len(job.chunk_sum), needs_grad,
        len(workspace.tiles),
    )  # fmt: skip


SIZES = {SampledLossJob: _sampled_sizes, FullLossJob: _full_sizes}


@pytest.fixture
def jobs_checked(monkeypatch):
    """Check every job that runs against its declaration; return the kinds seen."""
    seen, real = set(), StagedKernel.__call__

    def check(self, job, workspace, *arguments, **options):
        sizes = SIZES[type(job)](job, workspace.fields)
        _check(job, sizes, {"present", "chunk_max"})
        _check(workspace.fields, sizes, set())
        seen.add(type(workspace.fields))
        return real(self, job, workspace, *arguments, **options)

    monkeypatch.setattr(StagedKernel, "__call__", check)
    return seen


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (300, 37, 45, 130, 2), (1500, 64, 33, 1100, 1)])
def test_jobs_are_as_declared(jobs_checked, dtype, shape):
    num_classes, dim, batch, num_sampled, num_true = shape
    problem = make(num_classes, dim, batch, num_sampled, num_true, dtype=dtype)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    sampler = fc.UniformSampler(num_classes, seed=1)
    for loss in (
        fc.SampledSoftmaxLoss(sampler, num_sampled, unique=False, ignore_index=int(problem.labels[0, 0])),
        fc.NCELoss(sampler, num_sampled, unique=False),
    ):
        loss.value(*arguments, sampled_values=problem.values)
        loss.value_and_grad(*arguments, sampled_values=problem.values)
    for exact in (fc.SoftmaxLoss(), fc.LogisticLoss()):
        exact.value(*arguments)
        exact.value_and_grad(*arguments)
    assert jobs_checked == {SampledLossWorkspace, FullLossWorkspace}
