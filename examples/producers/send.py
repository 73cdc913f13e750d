"""Sends orders with confluent-kafka, as Protobuf and as Avro; the last one of each is none.

The schemas are registered by the serializers, as producers do it.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from grpc_tools import protoc

HERE = Path(__file__).parent
ORDERS = [("ann", 12.5), ("ann", 7.5), ("bob", 1.0)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--registry", default="http://127.0.0.1:8081/apis/ccompat/v7")
    return parser.parse_args()


def order_class():
    """The class that protoc makes of order.proto; a project would keep it."""
    folder = tempfile.mkdtemp()
    google = Path(protoc.__file__).parent / "_proto"
    made = protoc.main(
        ["protoc", f"-I{HERE}", f"-I{google}", f"--python_out={folder}", "order.proto"]
    )
    if made != 0:
        sys.exit("protoc could not read order.proto")
    sys.path.insert(0, folder)
    return importlib.import_module("order_pb2").Order


def main():
    options = arguments()
    registry = SchemaRegistryClient({"url": options.registry, "timeout": 10})
    producer = Producer({"bootstrap.servers": options.brokers, "acks": "all"})
    failed = []

    def send(topic, key, value):
        def delivered(error, _message):
            if error is not None:
                failed.append(f"{topic}: {error}")

        producer.produce(topic, key=key, value=value, on_delivery=delivered)

    order = order_class()
    as_protobuf = ProtobufSerializer(order, registry, {"use.deprecated.format": False})
    as_avro = AvroSerializer(registry, (HERE / "order.avsc").read_text(encoding="utf-8"))
    now_ns = time.time_ns()
    for number, (customer, amount) in enumerate(ORDERS):
        message = order(order_id=2**62 + number, customer=customer, amount=amount)
        message.placed_at.FromNanoseconds(now_ns)
        context = SerializationContext("orders.protobuf", MessageField.VALUE)
        value = as_protobuf(message, context)
        send("orders.protobuf", customer, value)
        record = {
            "orderId": number,
            "customer": customer,
            "placedAt": now_ns // 1_000_000,
            "amount": amount,
        }
        context = SerializationContext("orders.avro", MessageField.VALUE)
        framed = as_avro(record, context)
        send("orders.avro", customer, framed)
    # Cut off in their last field.
    send("orders.protobuf", "bob", value[:-1])
    send("orders.avro", "bob", framed[:-1])
    waiting = producer.flush(30)
    if waiting > 0 or failed:
        sys.exit("; ".join([*failed, f"{waiting} not acknowledged"]))


main()
