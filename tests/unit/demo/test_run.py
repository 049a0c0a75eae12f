"""The demo's own refusals, before anything is started, and what it keeps for the next run."""

import stat
from pathlib import Path

import pytest
from rich.console import Console

from transire.demo.run import run_demo
from transire.demo.scene import Scene

PEOPLE, KEYS, FLEET = {"omar": "tsp_1"}, {"sales": "tsk_1"}, {"eu-economy": "http://127.0.0.1:1"}


@pytest.mark.parametrize("kept", [None, "", "[]", '{"people": {}}'])
async def test_a_folder_with_somebody_elses_log_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str | None
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.sqlite").touch()
    if kept is not None:
        (tmp_path / "demo.json").write_text(kept)

    code = await run_demo(once=True, data=tmp_path, port=0, as_json=False)

    told = capsys.readouterr().out
    assert code == 1
    assert "choose another --data" in told.replace("\n", " ")
    assert "transire at" not in told
    assert not (tmp_path / "policies").exists()


def test_who_is_who_is_kept_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    kept, file = Scene(Console(), tmp_path, FLEET, PEOPLE, KEYS), tmp_path / "demo.json"
    kept.keep(file)
    again = Scene(Console(), tmp_path)

    again.recall(file)

    assert (again.people, again.keys, again.fleet) == (PEOPLE, KEYS, FLEET)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
