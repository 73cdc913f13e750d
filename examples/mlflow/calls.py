"""What MLflow's registry does with a model that no step scores by, by its client as it is.

    MLFLOW_TRACKING_URI=http://127.0.0.1:8080 python3 calls.py STEP_MODEL
"""

import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException


def refused(call):
    """The error code of a call that must be refused."""
    try:
        call()
    except MlflowException as error:
        return error.error_code
    raise AssertionError("it was not refused")


def kept_model(client):
    client.create_registered_model("churn", tags={"team": "risk"}, description="who leaves")
    assert refused(lambda: client.create_registered_model("churn")) == "RESOURCE_ALREADY_EXISTS"
    assert refused(lambda: client.get_registered_model("nobody")) == "RESOURCE_DOES_NOT_EXIST"
    with mlflow.start_run() as run:
        mlflow.log_text("weights", "model/weights.txt")
    source = f"{run.info.artifact_uri}/model"
    first = client.create_model_version("churn", source, run.info.run_id)
    second = client.create_model_version("churn", "s3://elsewhere/model", tags={"kind": "line"})
    assert (first.version, second.version) in [("1", "2"), (1, 2)], (first, second)
    assert client.get_model_version_download_uri("churn", "2") == "s3://elsewhere/model"

    # A version keeps its files, whatever becomes of those of its run.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "weights.txt").write_text("others")
        client.log_artifact(run.info.run_id, Path(folder, "weights.txt"), "model")
    found = mlflow.artifacts.download_artifacts("models:/churn/1")
    assert (Path(found) / "weights.txt").read_text() == "weights"


def changes(client):
    client.set_registered_model_alias("churn", "challenger", "1")
    client.set_registered_model_alias("churn", "champion", "2")
    client.set_registered_model_alias("churn", "challenger", "2")
    assert sorted(client.get_model_version("churn", "2").aliases) == ["challenger", "champion"]
    assert refused(lambda: client.set_registered_model_alias("churn", "other", "9")) == "RESOURCE_DOES_NOT_EXIST"
    client.delete_registered_model_alias("churn", "challenger")
    assert refused(lambda: client.get_model_version_by_alias("churn", "challenger")) == "RESOURCE_DOES_NOT_EXIST"
    client.set_registered_model_tag("churn", "team", "growth")
    client.delete_registered_model_tag("churn", "team")
    client.set_model_version_tag("churn", "2", "checked", "yes")
    client.delete_model_version_tag("churn", "2", "kind")
    assert client.get_model_version("churn", "2").tags == {"checked": "yes"}
    client.update_registered_model("churn", description="who goes")
    client.update_model_version("churn", "1", description="the first")
    client.transition_model_version_stage("churn", "1", "Production")
    client.transition_model_version_stage("churn", "2", "production", archive_existing_versions=True)
    assert client.get_model_version("churn", "1").current_stage == "Archived"
    [latest] = client.get_latest_versions("churn", stages=["Production"])
    assert str(latest.version) == "2"
    numbers = [int(each.version) for each in client.search_model_versions("name='churn'", order_by=["version_number ASC"])]
    assert numbers == [1, 2], numbers
    client.rename_registered_model("churn", "leavers")
    client.delete_model_version("leavers", "1")
    assert refused(lambda: client.get_model_version("leavers", "1")) == "RESOURCE_DOES_NOT_EXIST"
    client.delete_registered_model("leavers")


def step_model(client, name):
    assert name in [each.name for each in client.search_registered_models()]
    assert refused(lambda: client.delete_registered_model(name)) == "INVALID_PARAMETER_VALUE"
    assert refused(lambda: client.rename_registered_model(name, "other")) == "INVALID_PARAMETER_VALUE"
    assert refused(lambda: client.delete_registered_model_alias(name, "champion")) == "INVALID_PARAMETER_VALUE"
    elsewhere = lambda: client.create_model_version(name, "s3://elsewhere/model")
    assert refused(elsewhere) == "INVALID_PARAMETER_VALUE"
    champion = client.get_model_version_by_alias(name, "champion")
    assert refused(lambda: client.delete_model_version(name, champion.version)) == "INVALID_PARAMETER_VALUE"


def main():
    client = mlflow.MlflowClient()
    mlflow.set_experiment("churn")
    kept_model(client)
    changes(client)
    step_model(client, sys.argv[1])


if __name__ == "__main__":
    main()
