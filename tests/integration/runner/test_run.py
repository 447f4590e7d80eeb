"""A notebook through the runner, from start to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.runner.making import RunFiles, make_run, run

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """One run that uses much, for many questions."""
    prints = "print('python'); os.system('echo child; echo error >&2'); os.write(1, b'raw\\n')"
    tells = "import remote.workloads.progress as p; p.progress('s', 1, 2); p.notice('hello')"
    leaves = "f = open('left-open', 'w'); f.write('text')"
    cells = [
        "# parameters\ncount: int | None = None\nname: str = 'x'\nuntouched = 5",
        "print(count, repr(name), untouched)",
        f"import os\n{prints}",
        "OUTPUT_DIR.joinpath('proof.txt').write_text('here')\nprint(type(OUTPUT_DIR).__name__)",
        "%reset -f",
        "from pathlib import Path\nprint(OUTPUT_DIR.name, Path.cwd().name)",
        tells,
        f"import atexit\natexit.register(lambda: print('at exit'))\n{leaves}",
    ]
    path = tmp_path_factory.mktemp("run") / "run"
    metadata = {"kernelspec": {"name": "some-env", "display_name": "Mine", "language": "python"}}
    return run(make_run(path, cells, {"count": 7, "name": "007"}, metadata))


def test_it_succeeds(finished: RunFiles) -> None:
    assert finished.exit_code == 0
    outcome = finished.outcome
    assert (outcome["state"], outcome["exit_code"], outcome["error"]) == ("succeeded", 0, None)
    assert (outcome["cells"], outcome["cells_run"]) == (9, 9)


def test_parameters_are_injected_typed_and_shown(finished: RunFiles) -> None:
    cells = finished.executed.cells
    assert cells[1].metadata.tags == ["injected-parameters"]
    assert cells[1].source == '# Parameters\ncount = 7\nname = "007"\n'
    assert finished.text(2) == "7 '007' 5\n"
    assert finished.executed.metadata.papermill.parameters == {"count": 7, "name": "007"}


def test_output_of_python_and_of_processes_is_in_notebook_and_log(finished: RunFiles) -> None:
    assert sorted(finished.text(3).split()) == ["child", "error", "python", "raw"]
    for line in ("python", "child", "error", "raw", "at exit"):
        assert finished.log.splitlines().count(line) == 1


def test_output_dir_is_a_path_in_every_cell(finished: RunFiles) -> None:
    assert (finished.path / "output" / "proof.txt").read_text() == "here"
    assert finished.text(4) == "PosixPath\n"
    assert finished.text(6) == "output work\n"


def test_files_that_a_notebook_left_open_are_written_out(finished: RunFiles) -> None:
    assert (finished.path / "work" / "left-open").read_text() == "text"


def test_the_kernelspec_is_overridden(finished: RunFiles) -> None:
    assert finished.executed.metadata.kernelspec.name == "python3"
    assert finished.executed.metadata.language_info.name == "python"


def test_events_tell_the_run_in_order(finished: RunFiles) -> None:
    order = [record["event"] for record in finished.events if record["event"] != "memory"]
    pairs = ["cell_started", "cell_finished"] * 7
    told = ["cell_started", "progress", "notice", "cell_finished", "cell_started", "cell_finished"]
    assert order == ["runner_started", "kernel_started", *pairs, *told, "finished"]
    start = finished.told("cell_started")[3]
    assert (start["cell"], start["of"], start["title"]) == (3, 9, "import os")
    assert finished.told("finished")[0]["exit_code"] == 0


def test_the_outcome_says_what_ran_where(finished: RunFiles) -> None:
    outcome = finished.outcome
    assert outcome["packages"]["papermill"]
    assert outcome["peak_memory_bytes"] > 20_000_000
    assert outcome["memory_limit_bytes"] > outcome["peak_memory_bytes"]
    assert outcome["cores"] >= 1
    assert outcome["started_at"] < outcome["finished_at"]


def test_nothing_is_left_behind(finished: RunFiles) -> None:
    names = {"run.json", "notebook.ipynb", "executed.ipynb", "events.jsonl", "kernel.log"}
    assert {p.name for p in finished.path.iterdir()} == names | {"outcome.json", "output", "work"}


def test_three_hundred_thousand_flushed_prints_all_arrive(tmp_path: Path) -> None:
    done = run(make_run(tmp_path / "r", ["for n in range(300_000): print('line', n, flush=True)"]))
    expected = [f"line {n}" for n in range(300_000)]
    assert done.log.splitlines() == expected
    assert done.text(0).splitlines() == expected


def test_flushed_prints_keep_their_place_beside_displays(tmp_path: Path) -> None:
    source = (
        "from IPython.display import display\nimport sys\n"
        "for n in range(50):\n    print('p', n, flush=True)\n    display(n)\n"
        "    print('e', n, file=sys.stderr, flush=True)\n    print('', end='', flush=True)"
    )
    done = run(make_run(tmp_path / "r", [source]))
    seen = [
        output.text.strip() if output.output_type == "stream" else output.data["text/plain"]
        for output in done.executed.cells[0].outputs
    ]
    displays = [n for n, text in enumerate(seen) if text.isdigit()]
    assert [seen[n] for n in displays] == [str(n) for n in range(50)]
    for n, place in enumerate(displays):
        assert f"p {n}" in seen[place - 1] or f"p {n}" in seen[place - 2]


def test_output_of_forked_workers_is_kept(tmp_path: Path) -> None:
    source = (
        "import multiprocessing as m\n"
        "def say(n): print('worker', n, flush=True)\n"
        "with m.get_context('fork').Pool(2) as pool: pool.map(say, range(200))"
    )
    done = run(make_run(tmp_path / "r", [source]), PYTHONWARNINGS="ignore")
    expected = sorted(f"worker {n}" for n in range(200))
    assert sorted(done.log.splitlines()) == expected
    assert sorted(done.text(0).splitlines()) == expected


def test_a_giant_text_is_bounded_in_the_notebook_and_whole_in_the_log(tmp_path: Path) -> None:
    source = "for n in range(200_000): print(f'{n:06d}', 'x' * 93)"
    done = run(make_run(tmp_path / "r", [source]))
    assert len(done.log) == 200_000 * 101
    text = done.text(0)
    assert len(text) < 12_000_000
    assert "characters left out here; kernel.log has them all" in text
    assert text.startswith("000000")
    assert "199999" in text[-110:]


def test_an_empty_notebook_is_executed(tmp_path: Path) -> None:
    done = run(make_run(tmp_path / "r", []))
    assert (done.exit_code, done.outcome["cells"]) == (0, 0)
