"""Checks what `sam build` compiles: it passes cargo lambda a binary's name and nothing else, the rest is in Cargo.toml."""

import pathlib
import sys
import tomllib

manifest = tomllib.loads(pathlib.Path("Cargo.toml").read_text(encoding="utf-8"))
build = manifest["package"].get("metadata", {}).get("lambda", {}).get("build", {})
problems = []
if build.get("no_default_features") is not True or build.get("features") != ["lambda"]:
    problems.append(
        "[package.metadata.lambda.build] needs no_default_features = true and features = [\"lambda\"]:"
        " without them sam build puts the embedded engine and the command line into the function"
    )
if manifest["profile"]["release"].get("panic") != "unwind":
    problems.append(
        "[profile.release] needs panic = \"unwind\": where none is named, cargo lambda adds panic = \"abort\","
        " and a panic then ends the function in place of a SCIM 500"
    )
if problems:
    sys.exit("\n".join(problems))
