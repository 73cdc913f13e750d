"""Trains small models with common libraries and writes what the tests of scoring read: each as ONNX,
as its converter writes it by default or by a common option, and the scores that the library itself
gives some rows. Seeded: run it again with the versions of requirements.txt and nothing changes but
what a library changes.

    python3 make_fixtures.py fixtures
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as OnnxmlFloats
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

FEATURES = ["amount", "hour", "visits", "country_de", "country_fr"]
COUNTRIES = ["DE", "FR", "IT"]


def data(rows, seed):
    """Rows in which a tenth of the first three features is missing, and labels that follow them."""
    random = np.random.default_rng(seed)
    amount, visits = random.normal(0, 1, rows), random.normal(0, 1, rows)
    hour = random.integers(0, 24, rows) / 24
    country = random.integers(0, 3, rows)
    logit = 1.3 * amount - 2 * hour + 0.7 * visits * amount + 0.8 * (country == 0)
    label = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    x = np.stack([amount, hour, visits, country == 0, country == 1], axis=1)
    x[:, :3][random.random((rows, 3)) < 0.1] = np.nan
    return x.astype(np.float32), label, [COUNTRIES[each] for each in country]


class Fixtures:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.scores = {}

    def add(self, name, model, scores):
        (self.folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        self.scores[name] = [None if score is None else float(score) for score in scores]


def scikit_learn(out, x, y, test):
    logistic = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(x, y)
    p = logistic.predict_proba(test)[:, 1]
    floats = [("features", FloatTensorType([None, len(FEATURES)]))]
    doubles = [("features", DoubleTensorType([None, len(FEATURES)]))]
    out.add("sklearn-zipmap", to_onnx(logistic, initial_types=floats), p)
    plain = {"zipmap": False}
    out.add("sklearn-tensor", to_onnx(logistic, initial_types=floats, options={id(logistic): plain}), p)
    columns = {"zipmap": "columns"}
    out.add("sklearn-columns", to_onnx(logistic, initial_types=floats, options={id(logistic): columns}), p)
    raw = {id(logistic[-1]): {"raw_scores": True, "zipmap": False}}
    out.add("sklearn-logits", to_onnx(logistic, initial_types=floats, options=raw), p)
    trees = GradientBoostingClassifier(n_estimators=10, max_depth=3, random_state=1)
    boosted = make_pipeline(SimpleImputer(), trees).fit(x, y)
    out.add("sklearn-boosted", to_onnx(boosted, initial_types=floats), boosted.predict_proba(test)[:, 1])
    linear = make_pipeline(SimpleImputer(), LinearRegression()).fit(x, y)
    out.add("sklearn-regression", to_onnx(linear, initial_types=floats), linear.predict(test))
    bare = LogisticRegression().fit(np.nan_to_num(x), y)
    # ONNX Runtime has no imputer of doubles: null where a value is missing.
    p = [None if np.isnan(row).any() else bare.predict_proba([row])[0, 1] for row in test]
    out.add("sklearn-double", to_onnx(bare, initial_types=doubles, options={id(bare): plain}), p)
    out.add("sklearn-bare", to_onnx(bare, initial_types=floats), p)


def classes(out, x, y, test):
    """Three classes with names: what is asked for is the probability of "late"."""
    names = np.where(y == 1, "late", np.where(x[:, 1] > 0.5, "on time", "early"))
    filled, rows = np.nan_to_num(x), np.nan_to_num(test)
    forest = RandomForestClassifier(5, max_depth=4, random_state=1).fit(filled, names)
    floats = [("features", FloatTensorType([None, len(FEATURES)]))]
    # Trees of scikit-learn's own are made for values that are there; the graph takes NaN for 0 here.
    model = make_pipeline(SimpleImputer(strategy="constant", fill_value=0.0), forest).fit(filled, names)
    late = list(model.classes_).index("late")
    out.add("sklearn-classes", to_onnx(model, initial_types=floats), model.predict_proba(rows)[:, late])


def frame(x, country):
    import pandas

    table = pandas.DataFrame({name: x[:, index] for index, name in enumerate(FEATURES[:3])})
    table["country"] = country
    return table


def inputs_by_name(out, x, y, country, test, test_country):
    """One input a feature, one of them a text."""
    known = [each if each != "IT" else "" for each in country]
    steps = [("numbers", SimpleImputer(), FEATURES[:3]), ("texts", OneHotEncoder(handle_unknown="ignore"), ["country"])]
    model = make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(frame(x, known), y)
    given = [(name, FloatTensorType([None, 1])) for name in FEATURES[:3]]
    given.append(("country", StringTensorType([None, 1])))
    rows = frame(test, [each if each != "IT" else "" for each in test_country])
    out.add("sklearn-inputs", to_onnx(model, initial_types=given[::-1]), model.predict_proba(rows)[:, 1])


def boosters(out, x, y, test):
    floats = [("input", OnnxmlFloats([None, len(FEATURES)]))]
    light = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=6, random_state=1, verbose=-1, n_jobs=1)
    light.fit(x, y)
    p = light.predict_proba(test)[:, 1]
    convert = onnxmltools.convert_lightgbm
    out.add("lightgbm-zipmap", convert(light, initial_types=floats), p)
    out.add("lightgbm-tensor", convert(light, initial_types=floats, zipmap=False), p)
    regressor = lightgbm.LGBMRegressor(n_estimators=10, num_leaves=6, random_state=1, verbose=-1, n_jobs=1)
    regressor.fit(x, y)
    out.add("lightgbm-regression", convert(regressor, initial_types=floats), regressor.predict(test))
    extreme = xgboost.XGBClassifier(n_estimators=10, max_depth=3, random_state=1, n_jobs=1).fit(x, y)
    convert = onnxmltools.convert_xgboost
    out.add("xgboost", convert(extreme, initial_types=floats), extreme.predict_proba(test)[:, 1])
    regressor = xgboost.XGBRegressor(n_estimators=10, max_depth=3, random_state=1, n_jobs=1).fit(x, y)
    out.add("xgboost-regression", convert(regressor, initial_types=floats), regressor.predict(test))


def main(folder):
    out = Fixtures(folder)
    x, y, country = data(2_000, seed=1)
    test, _, test_country = data(100, seed=2)
    scikit_learn(out, x, y, test)
    classes(out, x, y, test)
    inputs_by_name(out, x, y, country, test, test_country)
    boosters(out, x, y, test)
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in test]
    known = {"features": FEATURES, "rows": rows, "scores": out.scores}
    (out.folder / "scores.json").write_text(json.dumps(known) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
