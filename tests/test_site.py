"""The site: every page has its place, everything that there is is in the reference, and it is read offline."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

import edgesim
from edgesim.cli import main
from edgesim.scenarios.key_list import key_list
from edgesim.traces.metrics import SUMS
from edgesim.traces.summary_rows import rows
from edgesim.traces.variables import (
    DECISION_S,
    NETWORK_VARIABLES,
    SLOT_COORDINATES,
    SLOT_VARIABLES,
    SUMMARY_VARIABLES,
    TASK_VARIABLES,
)

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def part(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its rank."""
    mark, _, _ = heading.partition(" ")
    begin = text.index(f"\n{heading}\n")
    end = re.search(rf"\n{mark} ", text[begin + 2 :])
    return text[begin : begin + 2 + end.start()] if end else text[begin:]


def test_every_page_has_its_place() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"(?::|-) ([\w]+\.md)$", config.partition("\nnav:")[2], re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in DOCS.glob("*.md"))


def test_every_command_and_option_is_in_the_reference() -> None:
    text, found = page("commands"), 0

    def look(command: click.Command, name: str) -> None:
        nonlocal found
        said = part(text, f"## {name}")
        for one in command.params:
            names = (
                one.opts
                if isinstance(one, click.Option)
                else [one.make_metavar(click.Context(command))]
            )
            for option in names:
                assert f"`{option}`" in said or option in said, (name, option)
                found += 1
        if isinstance(command, click.Group):
            for key, inner in command.commands.items():
                look(inner, f"{name} {key}")

    for key, command in main.commands.items():
        look(command, f"edgesim {key}")
    assert found > 100


def test_every_public_name_is_in_the_reference() -> None:
    text = page("interface")
    for name in edgesim.__all__:
        assert f"`{name}`" in text, name
        if name != "__version__":
            found = getattr(edgesim, name)
            assert f"\n::: {found.__module__}.{found.__qualname__}\n" in f"{text}\n", name
            assert inspect.getdoc(found), name


@pytest.mark.parametrize("name", ["Observation", "Decision", "TaskObservation", "TaskDecision"])
def test_every_field_that_a_policy_meets_is_in_the_reference(name: str) -> None:
    said = part(page("interface"), f"### Fields of {name}")
    for field in dataclasses.fields(getattr(edgesim, name)):
        (row,) = re.findall(rf"^\| `{field.name}` \| (.+) \|$", said, re.MULTILINE)
        assert len(row) > 10, field.name


def test_every_trace_variable_is_in_the_reference() -> None:
    groups = {
        "slots": SLOT_VARIABLES | SLOT_COORDINATES,
        "tasks": TASK_VARIABLES,
        "network": NETWORK_VARIABLES,
        "timing": {"decision_s": DECISION_S},
        "summary": SUMMARY_VARIABLES,
    }
    for group, variables in groups.items():
        said = part(page("variables"), f"## /{group}")
        for name, variable in variables.items():
            assert f"| `{name}` | {', '.join(variable.dims)} |" in said, (group, name)


def test_what_a_run_records_is_in_the_reference(tmp_path: Path) -> None:
    """Of files, not of the table that the writer has."""
    h5py = pytest.importorskip("h5py")
    text = page("variables")
    for name, policy in (
        ("iiot_20dev", "epr"),
        ("carbon_6ue", "exact"),
        ("sumo_crossing", "local"),
    ):
        keys = {"run.slots": 2, "trace.level": "full"}
        edgesim.run(name, tmp_path / "t.h5", policy=policy, overrides=keys).close()
        with h5py.File(tmp_path / "t.h5") as file:
            for group in file:
                said = part(text, f"## /{group}")
                dims = {
                    dim
                    for one in re.findall(r"^\| `\w+` \| ([^|]+) \|", said, re.MULTILINE)
                    for dim in one.strip().split(", ")
                }
                for variable in file[group]:
                    assert f"`{variable}`" in said or variable in dims, (group, variable)


def test_every_row_of_a_summary_is_in_the_reference() -> None:
    text = page("summary")
    for heading, row in rows().items():
        assert f"| {heading} | `{row.key}` | {row.meaning} |" in text, heading
    assert all(f"| `{name}` |" in text for name in SUMS)


def test_every_key_is_in_the_reference_with_type_unit_range_and_default() -> None:
    scenario, policies = page("scenario"), page("policies")
    head = "| key | meaning | type | unit | range | default |"
    assert scenario.count(head) == len(key_list().sections) + sum(
        bool(one.keys) for one in key_list().models if one.kind != "policies"
    )
    for section in key_list().sections:
        said = part(scenario, f"## {section.heading}")
        for key in section.keys:
            assert re.search(rf"^\| `{key.name}` \| .+ \| .+ \|.*\|.*\| .+ \|$", said, re.MULTILINE)
    for model in key_list().models:
        text = policies if model.kind == "policies" else scenario
        alone = f" ({model.problems[0]})" if len(model.problems) == 1 else ""
        said = part(text, f'### {model.named_by} = "{model.name}"{alone}')
        assert all(f"\n| `{key.name}` |" in said for key in model.keys)


# Built

needs_mkdocs = pytest.mark.skipif(
    not all(map(find_spec, ("mkdocs", "material", "mkdocstrings"))),
    reason="the extra `docs` is not installed: pip install -e '.[docs]'",
)


@needs_mkdocs
@pytest.mark.slow
def test_the_site_is_built_without_warnings_and_read_offline(tmp_path: Path) -> None:
    site = tmp_path / "site"
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    variables = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(
        words, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    for one in pages:
        if one.name == "404.html":  # a server's, which knows its root
            continue
        text = one.read_text(encoding="utf-8")
        ids = set(re.findall(r'id="?([^"\s>]+)', text))
        for tag, target in re.findall(r'<(\w+)[^>]*?\b(?:src|href)="?([^"\s>]+)', text):
            if re.match(r"(https?:)?//", target):
                assert tag == "a" or 'rel="canonical"' in text, (one.name, tag, target)
            elif target.startswith("#"):
                assert target in ("#", "#__skip") or unquote(target[1:]) in ids, (one.name, target)
            elif not re.match(r"(data|javascript|mailto):", target):
                file = (one.parent / unquote(target.partition("#")[0].partition("?")[0])).resolve()
                assert file.exists(), (one.name, target)
    assert "clutter_density" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
