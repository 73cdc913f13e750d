"""Logs a model to Millrace's gateway with MLflow's client, as it is, registers it, makes it champion
and takes it back.

    MLFLOW_TRACKING_URI=http://127.0.0.1:8080 python3 registry.py MODEL.onnx NAME [FEATURE,FEATURE…]
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import mlflow
import onnx
from mlflow.exceptions import MlflowException

file, name = sys.argv[1:3]
order = sys.argv[3] if len(sys.argv) > 3 else None

mlflow.set_experiment("fraud")
client = mlflow.MlflowClient()

# Log the model, as any model is logged.
with mlflow.start_run() as run:
    mlflow.log_param("trees", 10)
    mlflow.log_metric("auc", 0.81)
    logged = mlflow.onnx.log_model(onnx.load(file), name="model")

# What the stream cannot be scored by is refused with what to change.
if order is not None:
    try:
        mlflow.register_model(logged.model_uri, name)
        raise AssertionError("it was not refused")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", error
        print(f"refused: {error}", file=sys.stderr)

# Register it, and set the alias that the stream scores by.
tags = {"millrace.why": "trees, June data"} | ({"millrace.order": order} if order else {})
version = mlflow.register_model(logged.model_uri, name, tags=tags)
client.set_registered_model_alias(name, "champion", version.version)
promoted_at = time.time() * 1000

# Aliases show wherever versions do.
found = client.get_model_version_by_alias(name, "champion")
assert str(found.version) == str(version.version) and found.run_id == run.info.run_id, found
assert found.aliases == ["champion"]
[model] = client.search_registered_models(filter_string=f"name = '{name}'")
assert {each: str(of) for each, of in model.aliases.items()} == {"champion": str(version.version)}
versions = client.search_model_versions(f"name = '{name}' and run_id = '{run.info.run_id}'")
assert [each.aliases for each in versions] == [["champion"]], versions

# The champion, as anybody fetches it: the bytes that were logged.
folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}@champion"))
assert mlflow.onnx.load_model(f"models:/{name}@champion").graph == onnx.load(file).graph
digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()

print(json.dumps({"version": str(version.version), "run": run.info.run_id, "sha256": digest, "promotedAt": promoted_at}))
