from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bundle.bundles import small_files

from transire.bundle.source import archive, bundle_digest, read_folder, unarchive
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
    write(tmp_path, files | {"README.md": b"", "tests/x_test.yaml": b"", "tests/notes.yaml": b""})

    assert set(read_folder(tmp_path)) == {*files, "tests/x_test.yaml"}


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
