"""Prints which share of the lines of src/protocol each of several runs covers: coverage_table.py NAME=LCOV…

Tests are not counted: files of tests, and what stands behind `#[cfg(test)]`. Ends with the lines that no run covers, and
fails when all runs together cover 95 % or less.
"""

import pathlib
import sys

LEAST = 95.0
ROOT = pathlib.Path(__file__).parent.parent / "src" / "protocol"

runs = dict(argument.split("=", 1) for argument in sys.argv[1:])
names = [*runs, "all"]


def is_counted(path):
    return ROOT in path.parents and "tests" not in path.with_suffix("").parts


def first_line_of_tests(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines.index("#[cfg(test)]") + 1 if "#[cfg(test)]" in lines else len(lines) + 1


# By file and line: the runs that cover it.
covered = {}
for name, file in runs.items():
    path = None
    for record in pathlib.Path(file).read_text(encoding="utf-8").splitlines():
        kind, _, value = record.partition(":")
        if kind == "SF":
            path = pathlib.Path(value).resolve()
            end = first_line_of_tests(path) if is_counted(path) else 0
        elif kind == "DA":
            line, count = (int(number) for number in value.split(",")[:2])
            if line < end:
                by = covered.setdefault(path, {}).setdefault(line, set())
                by.update({name, "all"} if count else ())


def share(lines, name):
    return 100 * sum(name in by for by in lines) / len(lines)


def row(title, lines):
    return "| " + " | ".join([title, str(len(lines)), *(f"{share(lines, name):.1f} %" for name in names)]) + " |"


print("| file | lines | " + " | ".join(names) + " |")
print("|---|---|" + "---|" * len(names))
for path in sorted(covered):
    print(row(str(path.relative_to(ROOT)), list(covered[path].values())))
everything = [by for lines in covered.values() for by in lines.values()]
print(row("all", everything))
print()
for path in sorted(covered):
    missed = sorted(line for line, by in covered[path].items() if not by)
    if missed:
        print(f"{path.relative_to(ROOT)}: {', '.join(map(str, missed))}")
sys.exit(share(everything, "all") <= LEAST)
