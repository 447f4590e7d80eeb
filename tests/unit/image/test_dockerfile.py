"""What the last stage of a Dockerfile changes, and which ones have to be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.image.dockerfile import RunStage, run_stage

COPIES = "COPY remote/ /workspace/remote/\nCOPY notebooks/ /workspace/notebooks/\n"
STAGE = "FROM python AS env\nRUN pip\nFROM ${ENVIRONMENT} AS run\n"


def test_the_shipped_one_is_appended(project_root: Path) -> None:
    assert run_stage((project_root / "Dockerfile").read_text()) == RunStage(
        {
            "User": "1000:1000",
            "WorkingDir": "/workspace/notebooks",
            "StopSignal": "SIGTERM",
            "Entrypoint": [],
            "Cmd": ["papermill", "00_test_remote.ipynb", "/output/executed.ipynb"],
        }
    )


def test_an_entry_point_takes_the_environments_command_away() -> None:
    stage = run_stage(STAGE + COPIES + 'ENTRYPOINT ["x"]\n')
    assert stage == RunStage({"Entrypoint": ["x"], "Cmd": []})
    stage = run_stage(STAGE + COPIES + 'CMD ["y"]\nENTRYPOINT ["x"]')
    assert stage == RunStage({"Entrypoint": ["x"], "Cmd": ["y"]})


@pytest.mark.parametrize(
    "stage",
    [
        STAGE + COPIES + "RUN apt-get install x\n",
        STAGE + COPIES + "COPY data/ /data/\n",
        STAGE + COPIES + "CMD papermill x\n",
        STAGE + COPIES + "USER ${WHO}\n",
        STAGE + COPIES + "WORKDIR notebooks\n",
        STAGE + COPIES.splitlines()[0],
        STAGE + COPIES.replace("/workspace/notebooks", "/elsewhere"),
        STAGE.replace("run", "other") + COPIES,
        STAGE.replace("${ENVIRONMENT}", "python") + COPIES,
        STAGE + COPIES + "ENV A=b\n",
        STAGE + COPIES + "FROM python\nRUN more\n",
        "",
    ],
)
def test_what_does_more_is_built(stage: str) -> None:
    assert run_stage(stage) is None


def test_comments_and_continued_lines() -> None:
    first = "# what runs\nCOPY remote/ \\\n  /workspace/remote/\n"
    text = STAGE + first + "COPY notebooks /workspace/notebooks\n"
    assert run_stage(text) == RunStage()
