"""Batches on a Dask cluster, of which a worker may be lost."""

import csv
import os
import signal
import sys

import pytest

from batch_cases import BLUR, LONG, write_balls
from napari_deltamic.batch import items_of_files, run_batch
from napari_deltamic.cli.batch import executor_of
from napari_deltamic.cli.errors import UsageError

MIDDLING = (*BLUR, "--stages", "1", "--max-iterations", "30")


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    # It would leave, to all processes that later tests start, how many threads they may use.
    before = dict(os.environ)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_every_item_is_done_once_though_a_worker_is_killed(tmp_path, cluster):
    items = items_of_files(write_balls(tmp_path / "stacks", 3), MIDDLING)
    here, there = tmp_path / "here", tmp_path / "there"
    alone = run_batch(items, here, workers=2)
    pids = [worker.pid for worker in cluster.workers.values()]
    killed, heard = [], []

    def kill_one(outcome):
        heard.append(outcome)
        if not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    with executor_of(cluster.scheduler_address) as executor:
        outcomes = run_batch(items, there, executor=executor, on_outcome=kill_one)
    assert killed
    assert [one.status for one in alone] == [one.status for one in outcomes] == 3 * ["done"]
    assert sorted(one.name for one in heard) == [item.name for item in items]
    for item in items:
        mesh = (there / item.name / "mesh.rec").read_bytes()
        assert mesh == (here / item.name / "mesh.rec").read_bytes()
    with (there / "all_measures.csv").open(newline="") as file:
        assert [row["item"] for row in csv.DictReader(file)] == [item.name for item in items]


def test_a_stop_waits_for_the_results_of_what_runs(tmp_path, cluster):
    items, out = items_of_files(write_balls(tmp_path / "stacks", 4), LONG), tmp_path / "out"

    def two_run():
        logs = [log.read_text() for log in out.glob("*/log.txt")]
        return sum("stage 1" in log for log in logs) == 2

    with executor_of(cluster.scheduler_address) as executor:
        outcomes = run_batch(items, out, executor=executor, should_stop=two_run)
    assert [one.status for one in outcomes] == 2 * ["stopped"]
    for item in items:
        began = item.name in [one.name for one in outcomes]
        assert (out / item.name / "mesh.rec").is_file() == began
        # Those that had to wait were not begun.
        assert (out / item.name).exists() == began


def test_a_scheduler_that_does_not_answer_is_named():
    pytest.importorskip("distributed")
    with (
        pytest.raises(UsageError, match=r"--scheduler: tcp://127.0.0.1:9 does not answer"),
        executor_of("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(UsageError, match=r"napari-deltamic\[cluster\]"),
        executor_of("tcp://127.0.0.1:9"),
    ):
        pass
