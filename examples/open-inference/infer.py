"""A model of Millrace asked by Triton's client, as it is: JSON, binary tensors, packed bodies."""

import argparse
import json

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def ask(client, model, rows, version="", binary=True, **options):
    tensor = triton.InferInput("features", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    wanted = triton.InferRequestedOutput("probability", binary_data=binary)
    answer = client.infer(
        model, [tensor], outputs=[wanted], model_version=version, request_id="7", **options
    )
    return answer.get_response(), answer.as_numpy("probability")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1:8080")
    arguments.add_argument("--model", required=True)
    options = arguments.parse_args()
    client = triton.InferenceServerClient(options.host)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(options.model)
    assert not client.is_model_ready("nobody")
    metadata = client.get_model_metadata(options.model)
    [width] = [each["shape"][1] for each in metadata["inputs"]]
    rows = numpy.random.default_rng(1).normal(size=(200, width))
    rows[3, 0] = numpy.nan
    as_bytes, expected = ask(client, options.model, rows)
    assert as_bytes["id"] == "7" and expected.shape == (200, 1)
    for how in (
        {"request_compression_algorithm": "gzip"},
        {"request_compression_algorithm": "deflate"},
        {"response_compression_algorithm": "gzip"},
        {"version": as_bytes["model_version"]},
    ):
        assert (ask(client, options.model, rows, **how)[1] == expected).all(), how
    # JSON has no NaN: a row that lacks nothing.
    assert (ask(client, options.model, rows[:3], binary=False)[1] == expected[:3]).all()
    names = metadata["parameters"]["features"].split(",")
    columns = []
    for at, name in enumerate(names):
        column = triton.InferInput(name, [len(rows), 1], "FP64")
        columns.append(column.set_data_from_numpy(numpy.ascontiguousarray(rows[:, at : at + 1])))
    answer = client.infer(options.model, columns)
    assert (answer.as_numpy("probability") == expected).all()
    by_version = {
        each["version"]: each for each in client.get_inference_statistics(options.model)["model_stats"]
    }
    assert by_version[as_bytes["model_version"]]["inference_count"] > 1000
    ready = [each for each in client.get_model_repository_index() if each["state"] == "READY"]
    for wrong in (
        lambda: ask(client, "nobody", rows),
        lambda: ask(client, options.model, rows, version="r99"),
        lambda: ask(client, options.model, rows[:, :2]),
        lambda: client.load_model(options.model),
    ):
        try:
            wrong()
        except InferenceServerException as error:
            print(error)
        else:
            raise AssertionError("it was not refused")
    told = {"version": as_bytes["model_version"], "first": float(expected[0, 0]), "ready": ready}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
