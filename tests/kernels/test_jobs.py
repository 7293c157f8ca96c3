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
from fastcands.kernels.full_loss import all_classes
from fastcands.kernels.full_loss.bf16 import all_classes as bf16_all_classes
from fastcands.kernels.full_loss.bf16.job import Bf16FullLossSizes, Bf16FullLossWorkspace
from fastcands.kernels.full_loss.job import FullLossJob, FullLossSizes, FullLossWorkspace
from fastcands.kernels.sampled_loss import stages
from fastcands.kernels.sampled_loss.bf16 import stages as bf16_stages
from fastcands.kernels.sampled_loss.bf16.job import Bf16SampledLossSizes, Bf16Workspace
from fastcands.kernels.sampled_loss.job import SampledLossJob, SampledLossSizes, SampledLossWorkspace
from fastcands.precision import resolve
from fastcands.stages import StagedKernel
from fastcands.workspace import Field, dtype_of, given
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


def meant_for(field):
    """Return the stages that a field is declared for."""
    return set(f"{field.written} {field.read}".split()) - {"caller"}


def findings(*families):
    """List the fields that a stage names though none is declared for it, and those declared that no stage names.

    Each family is the chains of stages of one job and workspace, and these two. Families share a job's declarations, so
    a declaration is right if a stage of any family names the field.
    """
    found, named_by, declarations, stages_there = [], {}, {}, set()
    for chains, kinds in families:
        fields = declared(*kinds)
        for key, field in fields.items():
            declarations.setdefault(key, set()).update(meant_for(field))
        for chain in chains:
            for name, stage in chain.items():
                named = fields_of(stage) & set(fields)
                named_by.setdefault(name, set()).update(named)
                stages_there.add(name)
                found += [f"{name} names {key}" for key in named if name not in meant_for(fields[key])]
    for key, names in declarations.items():
        found += [f"{name} does not name {key}" for name in names if key not in named_by.get(name, ())]
    return sorted(set(found))


SAMPLED = [
    (chains.normalized_stages, chains.per_logit_stages, SampledLossJob, workspace)
    for chains, workspace in ((stages, SampledLossWorkspace), (bf16_stages, Bf16Workspace))
]
FULL = [
    (chains.class_sums, chains.class_gradients, FullLossJob, workspace)
    for chains, workspace in ((all_classes, FullLossWorkspace), (bf16_all_classes, Bf16FullLossWorkspace))
]
JOBS = {"sampled": SAMPLED, "full": FULL}


@pytest.mark.parametrize("name", JOBS)
def test_stages_name_what_is_declared_for_them(name):
    assert findings(*(([one.stages, other.stages], kinds) for one, other, *kinds in JOBS[name])) == []


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
    assert findings(([{"one": _one}, {"two": _two}], [_Job])) == ["two does not name second", "two names first"]


def test_every_array_is_declared():
    for families in JOBS.values():
        for kind in (kind for family in families for kind in family[2:]):
            annotations = inspect.get_annotations(kind)
            arrays = {name for name, annotation in annotations.items() if "Any" in str(annotation)}
            fields = {name for name, field in kind._field_defaults.items() if isinstance(field, Field)}
            assert fields == (arrays or set(kind._fields))


def _check(values, sizes, optional):
    for name, field in type(values)._field_defaults.items():
        value, shape = getattr(values, name), field.shape(sizes)
        if field.kind == "number":
            assert value == shape, name
            continue
        assert value.dtype == dtype_of(field, sizes), name
        assert value.shape == shape or (name in optional and value.size == 0), name
        assert value.flags.c_contiguous, name


def _sampled_sizes(job, workspace):
    examples, width = job.inputs.shape
    common = (
        job.inputs.dtype, examples, job.labels.shape[1], len(job.sampled), width, job.needs_grad, len(workspace.sums)
    )  # fmt: skip
    if isinstance(workspace, Bf16Workspace):
        return Bf16SampledLossSizes(*common, workspace.split)
    return SampledLossSizes(*common)


def _full_sizes(job, workspace):
    examples, width = job.inputs.shape
    needs_grad, labels, chunks = len(job.weight_rows) > 0, len(job.label_rows), len(job.chunk_sum)
    common = job.inputs.dtype, job.table.total, examples, width, labels, chunks, needs_grad, len(workspace.addresses)
    if isinstance(workspace, Bf16FullLossWorkspace):
        return Bf16FullLossSizes(*common, workspace.split, workspace.packed_rows.shape[1])
    return FullLossSizes(*common)


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


@pytest.mark.parametrize(
    ("dtype", "precision", "workspaces"),
    [
        (np.float32, "highest", {SampledLossWorkspace, FullLossWorkspace}),
        (np.float64, "highest", {SampledLossWorkspace, FullLossWorkspace}),
        (np.float32, "high", {Bf16Workspace, Bf16FullLossWorkspace}),
        (np.float32, "medium", {Bf16Workspace, Bf16FullLossWorkspace}),
    ],
)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (300, 37, 45, 130, 2), (1500, 64, 33, 1100, 1)])
def test_jobs_are_as_declared(jobs_checked, dtype, precision, workspaces, shape):
    num_classes, dim, batch, num_sampled, num_true = shape
    problem = make(num_classes, dim, batch, num_sampled, num_true, dtype=dtype)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    sampler, options = fc.UniformSampler(num_classes, seed=1), {"precision": precision}
    if np.dtype(dtype) == np.float32 and resolve(precision, np.dtype(dtype)) != precision:
        workspaces = {SampledLossWorkspace, FullLossWorkspace}  # no instruction set: every tier is 'highest'
    for loss in (
        fc.SampledSoftmaxLoss(sampler, num_sampled, unique=False, ignore_index=int(problem.labels[0, 0]), **options),
        fc.NCELoss(sampler, num_sampled, unique=False, **options),
    ):
        loss.value(*arguments, sampled_values=problem.values)
        loss.value_and_grad(*arguments, sampled_values=problem.values)
    for exact in (fc.SoftmaxLoss(**options), fc.LogisticLoss(**options)):
        exact.value(*arguments)
        exact.value_and_grad(*arguments)
    assert jobs_checked == workspaces
