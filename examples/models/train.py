"""Trains LightGBM on rows that Millrace has served, and writes the model as ONNX with golden rows.

    python3 train.py rows.csv model.onnx golden.json
"""

import json
import sys

import lightgbm
import numpy
import onnxmltools
import pandas
from onnxmltools.convert.common.data_types import FloatTensorType


def main(rows, model_file, golden_file):
    table = pandas.read_csv(rows, na_values="\\N")
    label = table.pop("label").astype(int)
    # What is served is float32: trained on the same, no threshold lies between the two.
    x = table.to_numpy(dtype=numpy.float32)
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=15, random_state=1, verbose=-1)
    model.fit(x, label)
    inputs = [("features", FloatTensorType([None, x.shape[1]]))]
    onnx = onnxmltools.convert_lightgbm(model, initial_types=inputs)
    with open(model_file, "wb") as file:
        file.write(onnx.SerializeToString())
    some = x[:: max(1, len(x) // 100)]
    golden = {
        "features": list(table.columns),
        "rows": [[None if numpy.isnan(v) else float(v) for v in row] for row in some],
        "scores": [float(p) for p in model.predict_proba(some)[:, 1]],
    }
    with open(golden_file, "w", encoding="utf8") as file:
        json.dump(golden, file)


if __name__ == "__main__":
    main(*sys.argv[1:4])
