"""Reads the predictions of Millrace (or its outcomes) from the beginning to the end.

Each is decoded by the schema that it names and printed as one line of JSON; counts go to standard
error. Exits 1 when a flight is there twice.
"""

import argparse
import json
import sys
from collections import Counter

from confluent_kafka import (
    OFFSET_BEGINNING,
    DeserializingConsumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.error import ConsumeError
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import StringDeserializer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--registry", default="http://127.0.0.1:8081/apis/ccompat/v7")
    topics = ["flights.predictions", "flights.outcomes"]
    parser.add_argument("--topic", default=topics[0], choices=topics)
    parser.add_argument("--features", action="store_true", help="print the 70 features as well")
    parser.add_argument(
        "--isolation-level",
        default="read_committed",
        choices=["read_committed", "read_uncommitted"],
        help="read_uncommitted also shows what was taken back, as after a crash",
    )
    return parser.parse_args()


def open_consumer(options):
    registry = SchemaRegistryClient({"url": options.registry})
    return DeserializingConsumer(
        {
            "bootstrap.servers": options.brokers,
            # It reads by partitions, without joining a group: the id is required, and not used.
            "group.id": "python-consumer-example",
            "enable.auto.commit": False,
            "reconnect.backoff.ms": 1000,
            "isolation.level": options.isolation_level,
            # Tells when a partition has been read to its end (of what is committed).
            "enable.partition.eof": True,
            "key.deserializer": StringDeserializer(),
            "value.deserializer": AvroDeserializer(registry),
        }
    )


def read_to_end(consumer, topic):
    """Every record that stands in the topic, partition by partition in order."""
    try:
        found = consumer.list_topics(topic, 10).topics[topic]
    except KafkaException as error:
        sys.exit(f"Kafka: {error}. Is it up, and at --brokers?")
    if found.error is not None:
        sys.exit(f"{topic}: {found.error}. Start Millrace first: it makes the topics.")
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in found.partitions])
    open_partitions = set(found.partitions)
    while open_partitions:
        try:
            message = consumer.poll(30)
        except ConsumeError as error:
            if error.code != KafkaError._PARTITION_EOF:
                raise
            open_partitions.discard(error.kafka_message.partition())
            continue
        if message is None:
            sys.exit(f"{topic}: nothing came for 30 s; is the broker up?")
        yield message


def main():
    options = arguments()
    consumer = open_consumer(options)
    times = Counter()
    try:
        for message in read_to_end(consumer, options.topic):
            line = message.value()
            times[line["flightId"]] += 1
            if not options.features:
                line.pop("features", None)
            line["key"] = message.key()
            print(json.dumps(line, default=lambda time: time.isoformat()))
    finally:
        consumer.close()
    twice = [flight for flight, count in times.items() if count > 1]
    print(f"{times.total():,} records of {len(times):,} flights", file=sys.stderr)
    if twice:
        sys.exit(f"more than once: {', '.join(map(str, sorted(twice)[:20]))}")


if __name__ == "__main__":
    main()
