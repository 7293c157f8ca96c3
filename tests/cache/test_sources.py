"""Kernels on disk are used again when nothing changed, and renewed when any of their files or choices did."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from fastcands.cache import sources
from fastcands.simd.dot import name_of_chosen
from tests.copied_package import CALLEE, CALLER, PACKAGE, RUN, run, start


def test_every_source_that_kernels_are_built_from_is_in_the_stamp() -> None:
    """Found by its use of the compiler, wherever it stands."""
    compiled = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name in path.read_text() for name in ("fastcands.jit import", "import intrinsic", "numba.njit"))
    }
    stamped = {name for name, _ in sources.sources()}
    assert compiled <= stamped
    assert {"jit.py", "stages.py", "workspace.py", "cache/files.py", "simd/dot/amx.py"} <= stamped
    assert not any("__pycache__" in name for name in stamped)


def test_a_cached_kernel_notices_an_edit_of_another_kernels_file(copy: Path) -> None:
    kernels = copy / "fastcands" / "kernels"
    assert run(copy) == [21, 0, 1]
    os.utime(kernels / "caller.py", (1, 1))  # touched, not edited
    assert run(copy) == [21, 1, 0]
    (kernels / "callee.py").write_text(CALLEE.format(factor=3))
    assert run(copy) == [31, 0, 1]
    assert run(copy) == [31, 1, 0]


def test_an_edit_in_a_sub_folder_is_noticed(copy: Path) -> None:
    """The stamp covers all files below the folders of kernels and vector code."""
    for folder in ("kernels/table", "kernels/sampled_loss/bf16", "simd/dot"):
        name = folder.replace("/", ".")
        callee = copy / "fastcands" / folder / "callee.py"
        callee.write_text(CALLEE.format(factor=2))
        caller = CALLER.replace("fastcands.kernels.callee", f"fastcands.{name}.callee")
        (copy / "fastcands" / "kernels" / "caller.py").write_text(caller)
        assert run(copy, copy / name) == [21, 0, 1]
        assert run(copy, copy / name) == [21, 1, 0]
        callee.write_text(CALLEE.format(factor=3))
        assert run(copy, copy / name) == [31, 0, 1]


def test_a_kernel_outside_the_package_follows_its_own_file(copy: Path) -> None:
    """Numba's key holds a function's bytecode but not its constants: only the stamp tells 2 from 5."""
    outside = copy / "outside.py"
    program = RUN.replace("fastcands.kernels.caller", "outside")
    outside.write_text(CALLER)
    assert run(copy, copy / "cache", program=program) == [21, 0, 1]
    assert run(copy, copy / "cache", program=program) == [21, 1, 0]
    outside.write_text(CALLER.replace("+ 1", "+ 5"))
    assert run(copy, copy / "cache", program=program) == [25, 0, 1]


CHOICE = """
import os
from fastcands import cache
cache.vary("few", lambda: os.environ["CHOICE"])
"""


def test_a_choice_is_part_of_the_key_of_the_kernels_it_concerns(copy: Path) -> None:
    """Machine code for each choice stays beside that for another: going back compiles nothing."""
    kernels = copy / "fastcands" / "kernels"
    (kernels / "few").mkdir()
    (kernels / "few" / "__init__.py").write_text("")
    (kernels / "few" / "caller.py").write_text(CALLER)
    (copy / "outside.py").write_text(CALLER)
    for module in ("fastcands.kernels.few.caller", "outside"):
        program = CHOICE + RUN.replace("fastcands.kernels.caller", module)
        for choice, hits in (("1", 0), ("1", 1), ("2", 0), ("1", 1), ("2", 1)):
            got = run(copy, copy / "cache", program=program, variables={"CHOICE": choice})
            assert got == [21, hits, 1 - hits], (module, choice)
    program = CHOICE + RUN
    for choice, hits in (("1", 0), ("2", 1)):
        assert run(copy, copy / "cache", program=program, variables={"CHOICE": choice}) == [21, hits, 1 - hits]


BF16 = """
from fastcands.jit import kernel
from fastcands.simd.dot import configure


@kernel
def caller(x):
    configure()
    return 2 * x + 1
"""


def test_the_instruction_set_is_such_a_choice(copy: Path) -> None:
    (copy / "fastcands" / "kernels" / "bf16").mkdir()
    (copy / "fastcands" / "kernels" / "bf16" / "__init__.py").write_text("")
    (copy / "fastcands" / "kernels" / "bf16" / "caller.py").write_text(BF16)
    program = RUN.replace("fastcands.kernels.caller", "fastcands.kernels.bf16.caller")
    hits = []
    for name in ("portable", "portable", name_of_chosen(), "portable"):
        result, hit, _ = run(copy, program=program, variables={"FASTCANDS_BF16_ISA": name})
        assert result == 21
        hits.append(hit)
    assert hits == [0, 1, int(name_of_chosen() == "portable"), 1]


def test_a_file_that_changes_after_it_was_imported_is_not_taken_for_the_one_that_runs(copy: Path) -> None:
    callee = copy / "fastcands" / "kernels" / "callee.py"
    edit = f"import pathlib; import fastcands.kernels.caller; pathlib.Path({str(callee)!r}).write_text({{!r}})"
    assert run(copy, program=edit.format(CALLEE.format(factor=3)) + RUN) == [21, 0, 1]
    assert run(copy) == [31, 0, 1]


def pack(copy: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        for path in (copy / "fastcands").rglob("*.py"):
            file.write(path, path.relative_to(copy))


def test_the_package_in_an_archive(copy: Path) -> None:
    """As zipapp makes it and ``spark-submit --py-files`` sends it: stored for the user, renewed with the archive."""
    (copy / "elsewhere").mkdir()
    home = {"HOME": str(copy / "home"), "XDG_CACHE_HOME": None}
    for name in ("package.zip", "package.pyz"):
        archive = copy / name
        for factor, misses in ((2, 1), (2, 0), (3, 1), (3, 0)):
            (copy / "fastcands" / "kernels" / "callee.py").write_text(CALLEE.format(factor=factor))
            pack(copy, archive)
            result = start(archive, RUN, home, cwd=copy / "elsewhere")
            assert (result.stdout, result.stderr) == (f"{10 * factor + 1} {1 - misses} {misses}\n", "")


def test_a_kernel_of_no_file_is_compiled_and_not_stored(copy: Path) -> None:
    program = "exec(compile({!r}, '<cell>', 'exec')); print(caller(10), *map(len, caller.stats[1:]))"
    for _ in range(2):
        result = start(copy, program.format(CALLER), {}, cwd=copy)
        assert (result.stdout, result.stderr) == ("21 0 1\n", "")


def test_where_no_source_can_be_read_kernels_are_compiled_with_a_warning(copy: Path) -> None:
    hide = "from fastcands.cache import sources\ndef fail():\n    raise OSError\nsources.sources = fail\n"
    hide += "sources._stamp_of_package.cache_clear()\n"
    program = hide + RUN
    for _ in range(2):
        result = start(copy, program, {}, cwd=copy)
        assert result.stdout == "21 0 1\n"
        assert result.stderr.count("RuntimeWarning: fastcands: kernels are compiled anew in each process, since") == 1
