"""Features of Millrace read by Feast's own client, from a gateway."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from feast import FeatureStore


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repository", required=True, help="what millrace features feast wrote")
    arguments.add_argument("--view", required=True)
    arguments.add_argument("--key", action="append", required=True, help="field=value; repeatable")
    options = arguments.parse_args()
    feast = Path(sys.executable).with_name("feast")
    subprocess.run([feast, "apply"], cwd=options.repository, check=True, stdout=subprocess.DEVNULL)
    store = FeatureStore(repo_path=options.repository)
    view = store.get_feature_view(options.view)
    names = [field.name for field in view.features]
    entity = dict(each.split("=", 1) for each in options.key)
    nobody = {field: "nobody" for field in entity}
    answer = store.get_online_features(
        features=[f"{options.view}:{name}" for name in names], entity_rows=[entity, nobody]
    ).to_dict()
    told = {name: answer[name][0] for name in (*entity, *names)}
    assert all(answer[name][1] is None for name in names), answer
    print(json.dumps(told))


if __name__ == "__main__":
    main()
