"""Times Feast's own online reads from a Redis; prints JSON. Feast has to be installed with redis."""

import argparse
import json
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy
import pandas
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--redis", required=True, help="host:port")
    arguments.add_argument("--shapes", required=True, help="entities×features, with commas")
    arguments.add_argument("--stored", type=int, default=1000)
    arguments.add_argument("--samples", type=int, default=1000)
    options = arguments.parse_args()
    shapes = [tuple(map(int, each.split("x"))) for each in options.shapes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        store = opened(folder, options.redis)
        entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.STRING)
        source = FileSource(name="none", path="none.parquet", timestamp_field="as_of")
        views = [viewOf(features, entity, source) for _, features in shapes]
        store.apply([entity, *views])
        told = {}
        for (entities, features), view in zip(shapes, views):
            fill(store, view.name, features, options.stored)
            told[f"{entities}x{features}"] = timed(
                store, view.name, entities, features, options.stored, options.samples
            )
        print(json.dumps(told))


def opened(folder, redis):
    lines = ["project: wide", "provider: local", "registry: registry.db", "online_store:"]
    lines += ["  type: redis", f"  connection_string: {redis}"]
    lines += ["entity_key_serialization_version: 3", ""]
    Path(folder, "feature_store.yaml").write_text("\n".join(lines))
    return FeatureStore(repo_path=folder)


def viewOf(features, entity, source):
    fields = [Field(name=f"f{at}", dtype=Float64) for at in range(features)]
    schema = [Field(name="entity", dtype=String), *fields]
    name = f"wide{features}"
    ttl = timedelta(days=30)
    return FeatureView(name=name, entities=[entity], ttl=ttl, schema=schema, source=source)


def fill(store, view, features, stored):
    values = numpy.random.default_rng(1).random((stored, features)) * 100
    rows = pandas.DataFrame(values, columns=[f"f{at}" for at in range(features)])
    rows["entity"] = [f"e{at}" for at in range(stored)]
    rows["as_of"] = datetime.now(timezone.utc)
    store.write_to_online_store(view, rows)


def timed(store, view, entities, features, stored, samples):
    names = [f"{view}:f{at}" for at in range(features)]
    taken = []
    for call in range(-20, samples):
        rows = [{"entity": f"e{(call * 7 + at) % stored}"} for at in range(entities)]
        began = time.perf_counter()
        answer = store.get_online_features(features=names, entity_rows=rows).to_dict()
        if call >= 0:
            taken.append((time.perf_counter() - began) * 1000)
        assert len(answer["f0"]) == entities and answer["f0"][0] is not None
    p50, p99, most = numpy.percentile(taken, [50, 99, 100])
    return {"samples": samples, "p50": p50, "p99": p99, "max": most}


if __name__ == "__main__":
    main()
