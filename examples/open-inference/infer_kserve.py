"""A model of Millrace asked by the clients of KServe 0.21, over REST and gRPC."""

import argparse
import asyncio
import json

import numpy
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient, RESTConfig


def request(model, rows):
    tensor = InferInput("features", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows)
    return InferRequest(model_name=model, infer_inputs=[tensor], request_id="7")


async def ask(options):
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await rest.is_server_ready(options.url)
    assert await rest.is_model_ready(options.url, options.model)
    grpc = InferenceGRPCClient(options.address)
    assert await grpc.is_server_ready() and await grpc.is_model_ready(options.model)
    rows = numpy.random.default_rng(1).normal(size=(5, options.width))
    over_rest = await rest.infer(options.url, request(options.model, rows), model_name=options.model)
    over_grpc = await grpc.infer(request(options.model, rows))
    both = [each.outputs[0].as_numpy().ravel() for each in (over_rest, over_grpc)]
    assert over_rest.id == over_grpc.id == "7"
    assert len(both[0]) == 5 and (both[0] == both[1]).all(), both
    await grpc.close()
    print(json.dumps({"version": over_grpc.model_version, "first": float(both[0][0])}))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--address", default="127.0.0.1:8081")
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--width", type=int, required=True, help="features of a row")
    # kserve reads the command line as well, with flags of its own.
    options, _ = arguments.parse_known_args()
    asyncio.run(ask(options))


if __name__ == "__main__":
    main()
