"""Credentials of deployments: from memory, and from files only when they change."""

from pathlib import Path

import pytest

from transire.outbound.secrets import Secrets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "eu-key").write_text(" sk-one\n")
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    read = Path.read_text

    def counting(self: Path, encoding: str | None = None) -> str:
        names.append(self.name)
        return read(self, encoding)

    monkeypatch.setattr(Path, "read_text", counting)
    return names


def test_a_file_is_read_once_however_often_it_is_asked_for(folder: Path, reads: list[str]) -> None:
    secrets = Secrets({}, folder)
    secrets.load(["eu-key"])

    assert [secrets.get("eu-key") for _ in range(5)] == ["sk-one"] * 5
    secrets.refresh()
    assert reads == ["eu-key"]


def test_a_replaced_file_counts_from_the_next_refresh(folder: Path) -> None:
    secrets = Secrets({}, folder)
    assert secrets.get("eu-key") == "sk-one"
    successor = folder / "new"
    successor.write_text("sk-two")
    successor.replace(folder / "eu-key")

    assert secrets.get("eu-key") == "sk-one"
    secrets.refresh()
    assert secrets.get("eu-key") == "sk-two"


def test_a_file_that_comes_later_is_found_and_one_that_goes_is_not_kept(folder: Path) -> None:
    secrets = Secrets({}, folder)
    assert secrets.get("us-key") is None
    (folder / "us-key").write_text("sk-us")
    (folder / "eu-key").unlink()
    secrets.load(["eu-key"])
    secrets.refresh()

    assert (secrets.get("us-key"), secrets.get("eu-key")) == ("sk-us", None)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", "schlüssel".encode()])
def test_what_is_no_line_of_ascii_is_no_credential(folder: Path, content: bytes) -> None:
    (folder / "odd").write_bytes(content)

    assert Secrets({}, folder).get("odd") is None


def test_a_folder_in_a_files_place_is_no_credential(folder: Path) -> None:
    (folder / "odd").mkdir()

    assert Secrets({}, folder).get("odd") is None


def test_what_the_settings_give_wins_and_nothing_shows_it(folder: Path) -> None:
    secrets = Secrets({"eu-key": "given"}, folder)

    assert secrets.get("eu-key") == "given"
    assert "given" not in repr(secrets)
    assert Secrets({}, None).get("eu-key") is None
