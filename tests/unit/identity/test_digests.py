"""Keyed digests: one master, unrelated purposes, a file that its owner alone can read."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transire.errors import IntegrityError
from transire.identity.digests import INSTALL_KEY_FILE, InstallationKeys

MASTER = bytes(range(32))


def test_a_digest_is_an_hmac_under_the_purposes_own_key() -> None:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"transire/wire").derive(MASTER)
    keys = InstallationKeys(MASTER)

    for data in (b"yes", b"", b"yes", b"a longer text " * 1_000):
        assert keys.digest("wire", data) == hmac.new(key, data, hashlib.sha256).digest()


def test_purposes_and_masters_give_unrelated_digests() -> None:
    keys, others = InstallationKeys(MASTER), InstallationKeys(MASTER[::-1])

    assert len({keys.digest("a", b"x"), keys.digest("b", b"x"), others.digest("a", b"x")}) == 3


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_master_has_32_bytes(size: int) -> None:
    with pytest.raises(IntegrityError):
        InstallationKeys(bytes(size))


def test_a_master_is_kept_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    made = InstallationKeys.create(tmp_path, MASTER)
    path = tmp_path / INSTALL_KEY_FILE

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert InstallationKeys.load(tmp_path).digest("a", b"x") == made.digest("a", b"x")
    with pytest.raises(FileExistsError):
        InstallationKeys.create(tmp_path, MASTER)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_master_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    InstallationKeys.create(tmp_path, MASTER)
    (tmp_path / INSTALL_KEY_FILE).chmod(mode)

    with pytest.raises(IntegrityError, match="owner alone"):
        InstallationKeys.load(tmp_path)


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31])
def test_what_is_no_master_is_refused(tmp_path: Path, text: str) -> None:
    InstallationKeys.create(tmp_path, MASTER)
    (tmp_path / INSTALL_KEY_FILE).write_text(text)

    with pytest.raises(IntegrityError):
        InstallationKeys.load(tmp_path)


def test_a_missing_master_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="missing"):
        InstallationKeys.load(tmp_path)
