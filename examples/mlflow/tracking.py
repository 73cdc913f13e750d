"""Logs a run to Millrace's gateway with MLflow's client, as it is, and reads it back.

    MLFLOW_TRACKING_URI=http://127.0.0.1:8080 python3 tracking.py
"""

import json
import math
import tempfile
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException


def refused(call):
    """The error code of a call that must be refused."""
    try:
        call()
    except MlflowException as error:
        return error.error_code
    raise AssertionError("it was not refused")


def experiments(client):
    mlflow.set_experiment("fraud")
    found = client.get_experiment_by_name("fraud")
    client.set_experiment_tag(found.experiment_id, "team", "risk")
    other = client.create_experiment("other", tags={"team": "growth"})
    assert refused(lambda: client.create_experiment("other")) == "RESOURCE_ALREADY_EXISTS"
    names = [each.name for each in client.search_experiments(filter_string="tags.team LIKE 'ris%'")]
    assert names == ["fraud"], names
    client.rename_experiment(other, "renamed")
    client.delete_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "deleted"
    assert [each.name for each in client.search_experiments()] == ["fraud", "Default"]
    client.restore_experiment(other)
    assert client.get_experiment_by_name("renamed").experiment_id == other
    assert client.get_experiment_by_name("nobody") is None
    return found.experiment_id


def logged_run(client, experiment):
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("depth", 6)
        mlflow.log_params({"rows": 1000, "rate": 0.1})
        for step, auc in enumerate([0.7, 0.8, 0.75]):
            mlflow.log_metric("auc", auc, step=step)
        mlflow.log_metrics({"loss": math.nan, "gain": math.inf})
        mlflow.set_tag("colour", "blue")
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": [1, 2]}, "notes/values.json")
    run_id = run.info.run_id
    assert refused(lambda: client.log_param(run_id, "depth", 7)) == "INVALID_PARAMETER_VALUE"
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "first"
    assert found.data.params == {"depth": "6", "rows": "1000", "rate": "0.1"}
    assert found.data.metrics["auc"] == 0.75 and math.isnan(found.data.metrics["loss"])
    history = client.get_metric_history(run_id, "auc")
    assert [(each.step, each.value) for each in history] == [(0, 0.7), (1, 0.8), (2, 0.75)]
    batch = [Metric(f"m{each}", each, 1, 0) for each in range(900)]
    client.log_batch(run_id, batch, [Param("p", "x" * 6000)], [RunTag("t", "1")])
    assert refused(lambda: client.log_param(run_id, "long", "x" * 6001)) == "INVALID_PARAMETER_VALUE"
    return run_id


def searches(client, experiment, run_id):
    for share in (0.2, 0.9):
        with mlflow.start_run(run_name=f"run {share}"):
            mlflow.log_metric("auc", share)
            mlflow.log_param("kind", "trees" if share > 0.5 else "line")
    find = lambda text, **more: [each.info.run_name for each in client.search_runs([experiment], text, **more)]
    assert find("metrics.auc > 0.7", order_by=["metrics.auc DESC"]) == ["run 0.9", "first"]
    assert find("params.kind = 'trees' and attributes.status = 'FINISHED'") == ["run 0.9"]
    assert find("tags.`colour` IN ('blue', 'red')") == ["first"]
    assert find(f"run_id = '{run_id}'") == ["first"]
    page = client.search_runs([experiment], order_by=["start_time ASC"], max_results=2)
    rest = client.search_runs([experiment], order_by=["start_time ASC"], max_results=2, page_token=page.token)
    assert [each.info.run_name for each in [*page, *rest]] == ["first", "run 0.2", "run 0.9"]
    assert refused(lambda: find("metrics.auc > 'much'")) == "INVALID_PARAMETER_VALUE"
    client.delete_run(run_id)
    assert "first" not in find("")
    assert refused(lambda: client.set_tag(run_id, "a", "b")) == "INVALID_PARAMETER_VALUE"
    client.restore_run(run_id)


def artifacts(client, run_id):
    assert [(each.path, each.is_dir) for each in client.list_artifacts(run_id)] == [("notes", True)]
    files = {each.path: each.file_size for each in client.list_artifacts(run_id, "notes")}
    assert files["notes/hello.txt"] == 5 and set(files) == {"notes/hello.txt", "notes/values.json"}
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=folder))
        assert (whole / "notes" / "hello.txt").read_text() == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/notes/values.json") == {"a": [1, 2]}


def main():
    client = mlflow.MlflowClient()
    experiment = experiments(client)
    run_id = logged_run(client, experiment)
    searches(client, experiment, run_id)
    artifacts(client, run_id)
    print(json.dumps({"run": run_id, "experiment": experiment}))


if __name__ == "__main__":
    main()
