from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bundle.bundles import small_files

from transire.bundle.source import archive, bundle_digest, read_folder, unarchive
from transire.bundle.strays import strays
from transire.errors import BundleError, IntegrityError

FILES = st.dictionaries(st.text("abc/._", min_size=1), st.binary(max_size=40), max_size=5)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@given(FILES)
def test_an_archive_gives_back_its_files(files: dict[str, bytes]) -> None:
    assert unarchive(archive(files), bundle_digest(files)) == files


@given(FILES, FILES)
def test_different_files_have_different_digests(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (bundle_digest(one) == bundle_digest(other)) == (one == other)


def test_a_changed_archive_is_refused() -> None:
    files = small_files()
    data = bytearray(archive(files))
    data[40] ^= 1

    with pytest.raises(IntegrityError):
        unarchive(bytes(data), bundle_digest(files))


def test_a_folder_gives_the_governed_files_and_no_others(tmp_path: Path) -> None:
    files = small_files()
    write(tmp_path, files | {"README.md": b"", "tests/x_test.yaml": b"", "tests/notes.txt": b""})

    assert set(read_folder(tmp_path)) == {*files, "tests/x_test.yaml"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("recognizers.yml", "recognizers.yaml"),
        ("catalog/people.yml", "catalog/people.yaml"),
        ("catalog/deep/People.YAML", "catalog/deep/People.yaml"),
        ("rules/Night.CEDAR", "rules/Night.cedar"),
        ("acceptances.yml", "catalog/acceptances.yaml"),
        ("acceptances.yaml", "catalog/acceptances.yaml"),
        ("night.cedar", "rules/night.cedar"),
        ("tests/grants.yaml", "tests/grants_test.yaml"),
        ("tests/grants_test.yml", "tests/grants_test.yaml"),
        ("prompts/deep/greeting@1.yaml", "out of the folder"),
    ],
)
def test_what_looks_like_a_part_and_is_none_is_refused(
    tmp_path: Path, name: str, meant: str
) -> None:
    write(tmp_path, small_files() | {name: b""})

    with pytest.raises(BundleError) as refused:
        read_folder(tmp_path)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"{name}: looks like a part of the bundle")
    assert meant in refused.value.problems[0]


def test_a_linked_folder_is_refused_for_its_files_would_not_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    write(folder, small_files())
    (tmp_path / "more").mkdir()
    (folder / "rules" / "more").symlink_to(tmp_path / "more")

    with pytest.raises(BundleError, match="rules/more: a link to a folder is not followed"):
        read_folder(folder)


def test_other_files_are_named_but_for_what_every_folder_has(tmp_path: Path) -> None:
    usual = ["README.md", "LICENSE", ".git/config", ".rules.swp", "rules/a.cedar~", "taxonomy.bak"]
    files = small_files()
    write(tmp_path, files | dict.fromkeys([*usual, "rules/notes.txt", "rules/old.cedar.txt"], b""))

    assert list(strays(tmp_path, read_folder(tmp_path))) == [
        "rules/notes.txt: not part of the bundle, so nothing in it governs",
        "rules/old.cedar.txt: not part of the bundle, so nothing in it governs",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, {n: d for n, d in small_files().items() if n != "routing.yaml"})

    with pytest.raises(BundleError, match=r"routing\.yaml: this file is missing"):
        read_folder(tmp_path)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = tmp_path / "policies"
    write(folder, small_files())
    (folder / "catalog" / "evil.yaml").symlink_to(secret)

    with pytest.raises(BundleError, match="a link leads out"):
        read_folder(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such policies folder"):
        read_folder(tmp_path / "nowhere")
