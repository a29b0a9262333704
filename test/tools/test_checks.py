"""Each check of the tests fails on what it is there for, and passes what is fine."""

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def check(name, *words):
    done = subprocess.run(
        [TOP / "tools" / name, *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    """A project with the real table of rooms and nothing else."""
    (tmp_path / "docs").mkdir()
    shutil.copy(TOP / "docs/architecture.md", tmp_path / "docs")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def plant(path, text):
        file = tmp_path / "src" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return check("check-rooms", tmp_path)

    return plant


@pytest.mark.parametrize(
    "path, include, sentence",
    [
        ("wire/a.c", '"net/net.h"', "wire may not include net/net.h"),
        ("base/a.h", '"schema/schema.h"', "base may not include schema/schema.h"),
        ("balancer/drive.c", '"health/health.h"', "balancer may not include health/health.h"),
        ("balancer/pick.c", '"net/net.h"', "only drive*.[ch]"),
        ("health/verdict.c", '"base/clock.h"', "only drive*.[ch]"),
        ("health/verdict.c", "<sys/socket.h>", "only drive*.[ch]"),
        ("cli/status.c", "<unistd.h>", "only drive*.[ch]"),
        ("balancer/drive.c", "<liburing.h>", "only net/*"),
        ("attic/a.c", "<stdio.h>", "no room 'attic'"),
    ],
)
def test_an_include_that_the_table_does_not_allow_is_found(tree, path, include, sentence):
    status, output = tree(path, f"#include {include}\n")
    assert status == 1
    assert f"src/{path}" in output and sentence in output


@pytest.mark.parametrize(
    "path, include",
    [
        ("balancer/drive_http.c", '"net/net.h"'),
        ("balancer/pick.c", '"process/scoreboard.h"'),
        ("balancer/pick.c", '"pick.h"'),
        ("net/uring.c", "<liburing.h>"),
        ("role/worker.c", '"balancer/balancer.h"'),
        ("wire/a.c", '"base/bytes.h"'),
    ],
)
def test_an_include_that_the_table_allows_passes(tree, path, include):
    assert tree(path, f"#include {include}\n") == (0, "")


def test_a_page_without_the_table_is_no_excuse(tree, tmp_path):
    (tmp_path / "docs/architecture.md").write_text("# Architecture\n")
    status, output = tree("base/a.c", "")
    assert status == 1 and "has no" in output


def function(lines):
    body = "".join(f"    f({number});\n" for number in range(lines - 3))
    return f"static int long_one(int a)\n{{\n{body}}}\n"


def test_a_function_of_81_lines_is_found_and_one_of_80_is_not(tmp_path):
    file = tmp_path / "a.c"
    file.write_text(function(80))
    assert check("check-sizes", file) == (0, "")
    file.write_text("\n" + function(81))
    assert check("check-sizes", file) == (1, f"{file}:2: long_one has 81 lines, at most 80\n")


def test_parameters_on_several_lines_count_too(tmp_path):
    file = tmp_path / "a.c"
    file.write_text(function(80).replace("(int a)", "(int a,\n                    int b)"))
    assert check("check-sizes", file)[0] == 1


def test_a_table_may_be_long(tmp_path):
    file = tmp_path / "a.c"
    file.write_text("const int table[] = {\n" + "    f(1),\n" * 200 + "};\n")
    assert check("check-sizes", file) == (0, "")


def test_a_file_of_1001_lines_is_found(tmp_path):
    file = tmp_path / "a.c"
    file.write_text("int a;\n" * 1001)
    assert check("check-sizes", file) == (1, f"{file}: 1001 lines, at most 1000\n")


def test_a_file_that_is_laid_out_otherwise_is_found(tmp_path):
    shutil.copy(TOP / ".clang-format", tmp_path)
    file = tmp_path / "a.c"
    file.write_text("int f(void)\n{\n    return 0;\n}\n")
    assert check("check-format", file)[0] == 0
    file.write_text("int f(void) {\n  return 0; }\n")
    assert check("check-format", file)[0] == 1


def test_a_careless_shell_script_is_found(tmp_path):
    file = tmp_path / "a"
    file.write_text("#!/bin/bash\necho hello\n")
    assert check("check-shell", file)[0] == 0
    file.write_text("#!/bin/bash\nrm -rf $1/*\n")
    assert check("check-shell", file)[0] == 1


def test_a_planted_bug_that_cannot_be_planted_is_found(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for folder in ("src", "docs", "test/sim/bugs"):
        (tmp_path / folder).mkdir(parents=True)
    source = tmp_path / "src/a.c"
    source.write_text("int a = 1;\n")
    page = tmp_path / "docs/simulation.md"
    page.write_text("\n| one-off | cores | 1 |\n")
    bug = tmp_path / "test/sim/bugs/one-off.patch"
    change = "--- a/src/a.c\n+++ b/src/a.c\n@@ -1 +1 @@\n-int a = 1;\n+int a = 2;\n"
    bug.write_text(f"what: it counts one too many\nsubject: cores\n\n{change}")
    assert check("check-bugs", tmp_path)[0] == 0

    page.write_text("\n| one-off | cluster | 1 |\n")
    assert "has no row" in check("check-bugs", tmp_path)[1]
    source.write_text("int a = 3;\n")
    status, output = check("check-bugs", tmp_path)
    assert status == 1 and "one-off.patch: no longer applies" in output
    bug.write_text(f"subject: cores\n\n{change}")
    assert "does not begin with" in check("check-bugs", tmp_path)[1]


def test_what_clang_tidy_dislikes_is_found(tmp_path):
    shutil.copy(TOP / ".clang-tidy", tmp_path)
    file = tmp_path / "a.c"
    file.write_text("int f(int a);\nint f(int a)\n{\n    return a + 1;\n}\n")
    assert check("check-tidy", file)[0] == 0
    file.write_text("int f(int *a);\nint f(int *a)\n{\n    a = 0;\n    return *a;\n}\n")
    status, output = check("check-tidy", file)
    assert status == 1 and "NullDereference" in output


def test_an_unknown_stage_is_refused_with_a_sentence():
    status, output = check("test", "nonsense")
    assert status == 2 and "no stage nonsense" in output
