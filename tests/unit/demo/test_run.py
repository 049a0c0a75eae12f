"""The demo's own refusals, before anything is started."""

from pathlib import Path

import pytest

from transire.demo.run import run_demo


async def test_a_folder_with_an_earlier_log_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.sqlite").touch()

    code = await run_demo(once=True, data=tmp_path, port=0, as_json=False)

    told = capsys.readouterr().out
    assert code == 1
    assert "choose another --data" in told.replace("\n", " ")
    assert "transire at" not in told
    assert not (tmp_path / "policies").exists()
