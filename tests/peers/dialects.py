"""The schema of dialect files for editors, by a validator that others wrote: every shipped dialect fits it, and what
crates/protocol/src/schema_cases.toml says of it holds."""

import json
import tomllib

import jsonschema_rs

from world import ROOT

DIALECTS = ROOT / "protocols" / "dialects"
CASES = ROOT / "crates" / "protocol" / "src" / "schema_cases.toml"


def validator():
    schema = json.loads((ROOT / "protocols" / "dialect.schema.json").read_text())
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema)


def shipped():
    fits = validator()
    dialects = sorted(DIALECTS.glob("*/dialect.toml"))
    for path in dialects:
        for fault in fits.iter_errors(tomllib.loads(path.read_text())):
            raise AssertionError(f"{path}: {fault}")
    return f"{len(dialects)} dialects"


def changed():
    """Each change of the showcase dialect that the schema should refuse is refused, each other one is not."""
    fits = validator()
    showcase = (DIALECTS / "showcase" / "dialect.toml").read_text()
    cases = tomllib.loads(CASES.read_text())
    rows = [(showcase.replace(*case), name == "both") for name in ("both", "reader", "neither") for case in cases[name]]
    rows += [(row["text"], row.get("refused", False)) for row in cases["variant"]]
    for text, refused in rows:
        if fits.is_valid(tomllib.loads(text)) == refused:
            raise AssertionError(f"should {'not ' if refused else ''}fit:\n{text}")
    return f"{len(rows)} files, {sum(refused for _, refused in rows)} of them refused"
