"""Docstrings say what the signatures say; public names have an example.

The rule is a function from source text to findings, and is tried on texts that break it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "fastcands").rglob("*.py"))
PUBLIC_MODULES = (
    "fastcands",
    "fastcands.data",
    "fastcands.metrics",
    "fastcands.models",
    "fastcands.nn",
    "fastcands.schedules",
)


def signature_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    spec = function.args
    names = [a.arg for a in [*spec.posonlyargs, *spec.args, spec.vararg, *spec.kwonlyargs, spec.kwarg] if a]
    return [name for name in names if name not in ("self", "cls", "typingctx")]


def decorator_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    nodes = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    return {ast.unparse(node).split(".")[-1] for node in nodes}


def listed_names(lines: list[str]) -> list[str]:
    """Names of the items ``a, b : what`` that stand at the indentation of the first line."""
    if not lines:
        return []
    indent = len(lines[0]) - len(lines[0].lstrip())
    items = [line.strip() for line in lines if line.strip() and len(line) - len(line.lstrip()) == indent]
    heads = [re.match(r"((?:\*{0,2}\w+)(?:, \*{0,2}\w+)*) ?(?::|$)", item) for item in items]
    return [name.lstrip("*") for head in heads if head for name in head[1].split(", ")]


def numpydoc_section(docstring: str, title: str) -> list[str]:
    """Lines of a numpydoc section, none if it is not there."""
    lines = inspect.cleandoc(docstring).splitlines()
    for i in range(len(lines) - 1):
        if lines[i] == title and re.fullmatch("-{3,}", lines[i + 1]):
            stop = next((j for j in range(i + 3, len(lines)) if re.fullmatch("-{3,}", lines[j])), len(lines) + 1)
            return [line for line in lines[i + 2 : stop - 1] if line.strip()]
    return []


def kernel_lists(docstring: str) -> list[str]:
    """Names in the lists IN, OUT, "IN, OUT" and SCRATCH of a kernel's docstring."""
    names: list[str] = []
    lines = inspect.cleandoc(docstring).splitlines()
    for i, line in enumerate(lines):
        if re.fullmatch(r"(IN|OUT|SCRATCH)(, (IN|OUT|SCRATCH))*", line):
            stop = next((j for j in range(i + 1, len(lines)) if not lines[j].startswith(" ")), len(lines))
            names += listed_names(lines[i + 1 : stop])
    return names


def docstring_findings(source: str) -> list[str]:
    """Docstrings of functions, methods, classes and kernels that list other names than the signature."""
    findings = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            signature = signature_names(node)
            docstring = ast.get_docstring(node) or ""
            is_kernel = bool(decorator_names(node) & {"kernel", "parallel_kernel"})
            lists = kernel_lists(docstring)
            listed = listed_names(numpydoc_section(docstring, "Parameters"))
            if listed and listed != signature:
                findings.append(f"{node.name}: docstring has {listed}, signature has {signature}")
            if (lists or (is_kernel and not node.name.startswith("_"))) and sorted(lists) != sorted(signature):
                findings.append(f"{node.name}: IN/OUT/SCRATCH list {lists}, signature has {signature}")
        elif isinstance(node, ast.ClassDef):
            listed = listed_names(numpydoc_section(ast.get_docstring(node) or "", "Parameters"))
            init = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
            if init and listed and listed != signature_names(init[0]):
                findings.append(f"{node.name}: docstring has {listed}, __init__ has {signature_names(init[0])}")
    return findings


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_the_parameters_of_the_signature(path: Path) -> None:
    assert docstring_findings(path.read_text()) == []


WRONG = {
    "one is missing": '''
def f(a, b):
    """Do.

    Parameters
    ----------
    a : int
        A.
    """
''',
    "another order": '''
def f(a, b):
    """Do.

    Parameters
    ----------
    b, a : int

    Returns
    -------
    c
    """
''',
    "class with another parameter": '''
class C:
    """Be.

    Parameters
    ----------
    b : int
        B.
    """

    def __init__(self, a):
        self.a = a
''',
    "kernel's output is missing": '''
@kernel
def f(a, out):
    """Do.

    IN
        a : int
    """
''',
    "kernel's input has another name": '''
@kernel(fastmath=x)
def f(a):
    """Do.

    IN
        b : int
    """
''',
    "kernel without lists": '''
@jit.parallel_kernel
def f(a):
    """Do."""
''',
    "private kernel with a wrong list": '''
@kernel
def _f(a, b):
    """Do.

    IN, OUT
        a : int
            b : too deep
    SCRATCH
        c : int
    """
''',
}
RIGHT = {
    "function": '''
def f(a, *b, c=1, d, **e):
    """Do.

    Parameters
    ----------
    a : int
        A.

        More: of it.
    *b, c : int
    d
        D.
    **e
        E.

    Returns
    -------
    x : int
    """
''',
    "kernel": '''
@kernel
def f(a, b, out):
    """Do.

    IN
        a, b : int, and
            so : on
    OUT
        out: (N,) float
    """
''',
    "private kernel": '''
@kernel
def _f(a):
    """Do."""
''',
}


@pytest.mark.parametrize("source", WRONG.values(), ids=WRONG)
def test_a_wrong_docstring_is_found(source: str) -> None:
    assert len(docstring_findings(source)) == 1


@pytest.mark.parametrize("source", RIGHT.values(), ids=RIGHT)
def test_a_right_docstring_is_not_found(source: str) -> None:
    assert docstring_findings(source) == []


def public_objects() -> list[tuple[str, Callable[..., object]]]:
    """Public functions and classes; modules and constants have no signature to compare with."""
    pairs = []
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        pairs += [(f"{module_name}.{name}", getattr(module, name)) for name in module.__all__]
    return [(name, thing) for name, thing in pairs if inspect.isclass(thing) or inspect.isroutine(thing)]


PUBLIC = public_objects()


def own_parameters(thing: Callable[..., object]) -> list[str]:
    return [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]


def method_docstrings(cls: type) -> Iterator[tuple[str, list[str], str]]:
    """Name, parameters and text of the public methods; a method may leave its text to what it implements."""
    for name in dir(cls):
        bases = [base for base in cls.__mro__ if name in vars(base) and base.__module__.startswith("fastcands")]
        if name.startswith("_") or not bases or not callable(getattr(cls, name)):
            continue
        texts = [inspect.getdoc(vars(base)[name]) or "" for base in bases]
        full = [text for text in texts if numpydoc_section(text, "Parameters")]
        yield name, own_parameters(getattr(cls, name)), (full or texts)[0]


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_public_names_are_documented(name: str, thing: Callable[..., object]) -> None:
    docstring = inspect.getdoc(thing) or ""
    assert ">>>" in "\n".join(numpydoc_section(docstring, "Examples"))
    title = "Attributes" if hasattr(thing, "_fields") else "Parameters"
    assert listed_names(numpydoc_section(docstring, title)) == own_parameters(thing)
    if inspect.isclass(thing):
        for method, parameters, text in method_docstrings(thing):
            assert text, f"{name}.{method} has no docstring"
            assert listed_names(numpydoc_section(text, "Parameters")) == parameters, f"{name}.{method}"
