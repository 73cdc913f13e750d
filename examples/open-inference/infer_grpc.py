"""A model of Millrace asked by Triton's client over gRPC, as it is."""

import argparse
import json

import numpy
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def ask(client, model, rows, version="", datatype="FP64", **options):
    tensor = triton.InferInput("features", list(rows.shape), datatype)
    tensor.set_data_from_numpy(rows)
    wanted = triton.InferRequestedOutput("probability")
    answer = client.infer(
        model, [tensor], outputs=[wanted], model_version=version, request_id="7", **options
    )
    return answer.get_response(), answer.as_numpy("probability")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1:8081")
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--key", help="API key, where the gateway has keys")
    options = arguments.parse_args()
    headers = {"authorization": f"Bearer {options.key}"} if options.key else None
    client = triton.InferenceServerClient(options.host)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(options.model, headers=headers)
    metadata = client.get_model_metadata(options.model, headers=headers)
    [width] = [each.shape[1] for each in metadata.inputs]
    rows = numpy.random.default_rng(1).normal(size=(200, width))
    rows[3, 0] = numpy.nan
    answer, expected = ask(client, options.model, rows, headers=headers)
    assert answer.id == "7" and expected.shape == (200, 1)
    for how in (
        {"compression_algorithm": "gzip"},
        {"compression_algorithm": "deflate"},
        {"version": answer.model_version},
        {"client_timeout": 30},
        {"timeout": 30_000_000},
    ):
        assert (ask(client, options.model, rows, headers=headers, **how)[1] == expected).all(), how
    halves = rows.astype(numpy.float16)
    as_halves = ask(client, options.model, halves, datatype="FP16", headers=headers)[1]
    as_doubles = ask(client, options.model, halves.astype(numpy.float64), headers=headers)[1]
    assert (as_halves == as_doubles).all()
    statistics = client.get_inference_statistics(options.model, headers=headers).model_stats
    by_version = {each.version: each for each in statistics}
    assert by_version[answer.model_version].inference_count > 1000
    index = client.get_model_repository_index(headers=headers).models
    ready = [each.version for each in index if each.state == "READY"]
    for wrong in (
        lambda: ask(client, "nobody", rows, headers=headers),
        lambda: ask(client, options.model, rows, version="r99", headers=headers),
        lambda: ask(client, options.model, rows[:, :2], headers=headers),
        lambda: client.load_model(options.model, headers=headers),
    ):
        try:
            wrong()
        except InferenceServerException as error:
            print(error)
        else:
            raise AssertionError("it was not refused")
    told = {"version": answer.model_version, "first": float(expected[0, 0]), "ready": ready}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
