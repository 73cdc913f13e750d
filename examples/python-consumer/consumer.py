"""Reads the predictions of Millrace (or its outcomes) from the beginning to the end.

Each is decoded by the schema that it names and printed as one line of JSON; counts go to standard
error. Exits 1 when a flight is there twice.
"""

import argparse
import json
import os
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


def name_and_value(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=VALUE")
    return name, value


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--registry", default="http://127.0.0.1:8081/apis/ccompat/v7")
    more = {"type": name_and_value, "action": "append", "default": [], "metavar": "NAME=VALUE"}
    parser.add_argument("--kafka", **more, help="librdkafka: e.g. security.protocol=SASL_SSL")
    parser.add_argument("--schemas", **more, help="registry client: e.g. ssl.ca.location=ca.pem")
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


def kafka_properties(options):
    """Where Kafka is; the password of a login comes from the environment."""
    password = os.environ.get("KAFKA_PASSWORD")
    login = {} if password is None else {"sasl.password": password}
    return {"bootstrap.servers": options.brokers, **dict(options.kafka), **login}


def registry_properties(options):
    """Where the schema registry is; a login, `user:password`, comes from the environment."""
    login = os.environ.get("REGISTRY_LOGIN")
    user = {} if login is None else {"basic.auth.user.info": login}
    # Without a time-out (s) the client waits for ever where nothing answers.
    return {"url": options.registry, "timeout": 10, **dict(options.schemas), **user}


def open_consumer(options):
    registry = SchemaRegistryClient(registry_properties(options))
    return DeserializingConsumer(
        {
            # It reads by partitions, without joining a group: the id is required all the same, and
            # where there are ACLs the right to read as it.
            "group.id": "python-consumer-example",
            "enable.auto.commit": False,
            "reconnect.backoff.ms": 1000,
            "isolation.level": options.isolation_level,
            # Tells when a partition has been read to its end (of what is committed).
            "enable.partition.eof": True,
            "key.deserializer": StringDeserializer(),
            "value.deserializer": AvroDeserializer(registry),
            **kafka_properties(options),
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
    try:
        consumer = open_consumer(options)
    except (KafkaException, ValueError) as error:
        sys.exit(f"--kafka, --schemas: {error}")
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
