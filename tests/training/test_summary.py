from __future__ import annotations

from flairhub.files import read_json
from flairhub.records.details import TaskMetrics
from flairhub.records.metrics import ValidMetrics
from flairhub.training.summary import write_summary


def test_several_tasks_have_their_mean_under_the_plain_name(tmp_path):
    model, folder = tmp_path / "model", tmp_path / "summary"
    valid = {"A": {"oa": 60.0, "miou": 20.0}, "B": {"oa": 80.0, "miou": 40.0}}
    ValidMetrics(epoch=1, valid={task: TaskMetrics(**each) for task, each in valid.items()}).write(model / "valid.json")
    head = "epoch,step,learning_rate,train_loss,valid.A.miou,valid.B.miou,valid.A.oa\n"
    (model / "history.csv").write_text(f"{head}0,10,0.1,2.5,,,\n1,20,0.1,1.5,20,40,60\n")
    write_summary(model, folder)
    assert read_json(folder / "metrics.json") == {"epoch": 1, "valid": {"oa": 70.0, "miou": 30.0, **valid}}
    assert (folder / "loss.csv").read_text() == "step,loss\n10,2.5\n20,1.5\n"
    assert (folder / "valid.csv").read_text() == "step,miou\n20,30.0\n"
