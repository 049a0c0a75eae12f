"""Prompts in a bundle: one version a file, bound by name, never rewritten."""

from pathlib import Path

import pytest
from tests.fakes import FakeJudge, MemoryLog
from tests.unit.bundle.bundles import small_files, untested
from tests.unit.bundle.test_lifecycle import START

from transire.bundle.acts import Act
from transire.bundle.compile import compile_bundle
from transire.bundle.genesis import genesis
from transire.bundle.lifecycle import propose
from transire.bundle.source import read_folder
from transire.domain.ids import ApplicationId, PersonId
from transire.errors import BundleError
from transire.workbench.diff import summarize

TEXT = b"text: Answer briefly.\n"


def bundle(bound: str = "", **prompts: bytes) -> dict[str, bytes]:
    """The small bundle; `support_1=` is `prompts/support@1.yaml`."""
    files = small_files()
    catalog = files["catalog/all.yaml"].decode()
    files["catalog/all.yaml"] = catalog.replace("helpdesk: {", f"helpdesk: {{{bound}").encode()
    named = {f"prompts/{name.replace('_', '@')}.yaml": data for name, data in prompts.items()}
    return files | named


def problems(files: dict[str, bytes]) -> list[str]:
    with pytest.raises(BundleError) as refused:
        compile_bundle(files, must_hold_limits=False)
    return list(refused.value.problems)


def test_a_prompt_is_named_by_its_file_and_bound_by_name_and_version() -> None:
    files = bundle("prompt: support@2, ", support_1=TEXT, support_2=b"role: developer\n" + TEXT)
    made = compile_bundle(files, must_hold_limits=False).bundle
    binding = made.catalog.applications[ApplicationId("helpdesk")].prompts

    assert sorted(made.prompts) == ["support@1", "support@2"]
    assert made.prompts["support@2"].role == "developer"
    assert binding is not None
    assert binding.of("any") == "support@2"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (bundle("prompt: support@3, ", support_1=TEXT), "the prompt `support@3`"),
        (bundle("prompts: {nothing: support@1}, ", support_1=TEXT), "the task `nothing`"),
        (bundle(support_1=b"text: ''\n"), "prompts/support@1.yaml:1"),
        (bundle(support_1=b"role: user\n" + TEXT), "prompts/support@1.yaml:1"),
        (bundle(support_01=TEXT), "no such kind of file"),
        (bundle(support=TEXT), "no such kind of file"),
    ],
    ids=["unknown prompt", "unknown task", "no text", "a user's role", "a zero", "no version"],
)
def test_what_is_wrong_is_told_with_its_place(files: dict[str, bytes], told: str) -> None:
    assert any(told in problem for problem in problems(files))


def test_going_back_to_an_earlier_version_is_one_line_of_a_difference() -> None:
    both = {"support_1": TEXT, "support_2": b"text: Chat away.\n"}
    before = bundle("prompt: support@2, ", **both)
    after = bundle("prompt: support@1, ", **both)

    assert "bindings: +helpdesk=support@1 -helpdesk=support@2" in summarize(before, after)


async def test_a_version_in_force_keeps_its_text() -> None:
    log, judge = MemoryLog(), FakeJudge.of(ana=["propose"])
    active = await genesis(log, bundle(support_1=TEXT), mode="team", by=PersonId("ana"), now=START)
    act = Act(person=PersonId("ana"), now=START, active=active, judge=judge)

    with pytest.raises(BundleError, match=r"support@1\.yaml: this version is in force"):
        await propose(log, act, bundle(support_1=b"text: Other.\n"), prove=untested)
    await propose(log, act, bundle(support_1=TEXT, support_2=b"text: Other.\n"), prove=untested)


def test_a_folders_prompts_are_read_with_it(tmp_path: Path) -> None:
    for name, data in bundle(support_1=TEXT).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "prompts/notes.txt").write_text("not governed")

    assert "prompts/support@1.yaml" in read_folder(tmp_path)
    assert "prompts/notes.txt" not in read_folder(tmp_path)
