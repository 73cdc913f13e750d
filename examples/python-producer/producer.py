"""Sends flights to Millrace: departures now, their arrivals a little later, and bad records.

Every record that the broker has taken is printed as one line of JSON.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from confluent_kafka import KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

DEPARTURES = "flights.departures"
ARRIVALS = "flights.arrivals"
SCHEMAS = Path(__file__).parents[2] / "topologies" / "flights"

# Origin with its time zone, destination, miles.
ROUTES = [
    ("ORD", "America/Chicago", "LAX", 1745),
    ("JFK", "America/New_York", "ORD", 740),
    ("ATL", "America/New_York", "DFW", 731),
    ("DFW", "America/Chicago", "ORD", 802),
    ("SEA", "America/Los_Angeles", "SFO", 679),
]

# What becomes of each bad record: the code of its dead letter, and what is wrong with it.
BAD = {
    "malformed": "MALFORMED_AVRO: ends in the middle of a field",
    "unframed": "MALFORMED_AVRO: JSON text, without the schema id in front",
    "unknown-schema": "UNKNOWN_SCHEMA: a schema id that the registry does not know",
    "oversize": "RECORD_OVERSIZE: Avro as it should be, larger than 512 KiB",
    "future": "EVENT_TIME_AHEAD: departs in three hours; record timestamp now",
    "future-timestamp": "EVENT_TIME_AHEAD: departs in three hours; record timestamp the same",
    "no-value": "MALFORMED_AVRO: a record without a value",
    "no-time": "EVENT_TIME_MISSING: departed before 1970",
    "null-key": "NULL_KEY: no record key",
    "wrong-key": "KEY_MISMATCH: the key is not the decimal text of flightId",
    "wrong-partition": "WRONG_PARTITION: not the partition of murmur2 of the key",
    "again": "no dead letter but filtered: a flight that has departed already",
    "late": "no dead letter but late: departed an hour ago, where other flights have come",
}


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
    parser.add_argument("--flights", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20, help="departures a second")
    parser.add_argument("--flight-time", type=float, default=5, help="seconds until the arrival")
    parser.add_argument("--first", type=int, help="flightId of the first one; else from the clock")
    packed = ["none", "gzip", "snappy", "lz4", "zstd"]
    parser.add_argument("--compression", default="lz4", choices=packed)
    parser.add_argument("--seed", type=int, default=1, help="of routes and delays")
    kinds = "\n".join(f"{kind}: {what}" for kind, what in BAD.items())
    parser.add_argument(
        "--bad",
        nargs="+",
        default=[],
        choices=[*BAD, "all"],
        metavar="KIND",
        help=f"bad records to send among them: all, or {kinds}",
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


def now_ms():
    return time.time_ns() // 1_000_000


class Flights:
    """A producer of both topics, as Millrace wants it: see docs/clients.md."""

    def __init__(self, options):
        self.registry = SchemaRegistryClient(registry_properties(options))
        # A producer's schemas are its own to register.
        self.serialize = {
            topic: AvroSerializer(self.registry, (SCHEMAS / file).read_text(encoding="utf-8"))
            for topic, file in ((DEPARTURES, "departure.avsc"), (ARRIVALS, "arrival.avsc"))
        }
        self.producer = Producer(
            {
                # Where Java's clients put a key, and where Millrace expects it. librdkafka's own
                # default is another one.
                "partitioner": "murmur2_random",
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": options.compression,
                # The topics take 1 MiB; Millrace refuses values above 512 KiB.
                "message.max.bytes": 1_048_576,
                "linger.ms": 5,
                "reconnect.backoff.ms": 1000,
                **kafka_properties(options),
            }
        )
        self.failed = []
        self.partition_of = {}

    def check(self):
        """Says what is not there before anything is sent."""
        start = "Start Millrace's flights first: their feeder makes the topics."
        try:
            self.registry.get_subjects()
            for topic in (DEPARTURES, ARRIVALS):
                found = self.producer.list_topics(topic, 10).topics[topic]
                if found.error is not None:
                    sys.exit(f"{topic}: {found.error}. {start}")
        except SchemaRegistryError as error:
            sys.exit(f"Schema registry: {error}")
        except KafkaException as error:
            sys.exit(f"Kafka: {error}. Is it up, and at --brokers?")
        except Exception as error:
            sys.exit(f"Schema registry: {error}. Is it up, and at --registry?")

    def value(self, topic, record):
        """Confluent's wire format: a zero byte, the schema id, Avro."""
        return self.serialize[topic](record, SerializationContext(topic, MessageField.VALUE))

    def send(self, kind, topic, key, value, record, **more):
        """`more`: of confluent_kafka's produce. The line is printed when the broker has it."""
        flight_id = record["flightId"]

        def delivered(error, message):
            if error is not None:
                self.failed.append(f"{kind} {flight_id}: {error}")
                return
            self.partition_of[message.key()] = message.partition()
            line = {
                "kind": kind,
                "flightId": flight_id,
                "origin": record["origin"][:3],
                "destination": record["destination"],
                "delayMinutes": record.get("delayMinutes"),
                "topic": message.topic(),
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp": message.timestamp()[1],
                "keyHex": None if key is None else key.hex(),
                "valueBytes": None if value is None else len(value),
                "valueSha256": None if value is None else hashlib.sha256(value).hexdigest(),
            }
            print(json.dumps(line))

        self.producer.produce(topic, value=value, key=key, on_delivery=delivered, **more)
        self.producer.poll(0)

    def send_good(self, kind, topic, record):
        """The key is the decimal text of flightId."""
        key = str(record["flightId"]).encode()
        self.send(kind, topic, key, self.value(topic, record), record)

    def finish(self):
        waiting = self.producer.flush(30)
        if waiting > 0:
            self.failed.append(f"{waiting} records were not acknowledged within 30 s")


def departure(flight_id, departed_at, route):
    origin, zone, destination, miles = route
    local = datetime.fromtimestamp(departed_at / 1000, ZoneInfo(zone))
    return {
        "flightId": flight_id,
        "departedAt": departed_at,
        "origin": origin,
        "destination": destination,
        "distanceMiles": miles,
        "localHour": local.hour,
        "localWeekday": local.isoweekday(),
    }


def arrival(flight_id, arrived_at, route, delay_minutes):
    origin, _, destination, _ = route
    return {
        "flightId": flight_id,
        "arrivedAt": arrived_at,
        "origin": origin,
        "destination": destination,
        "delayMinutes": delay_minutes,
    }


def send_flights(flights, options, first):
    """Departures at the rate, each arrival after the flight time, both at their event time."""
    chance = random.Random(options.seed)
    in_the_air = deque()
    start = time.monotonic()
    departed = 0
    while departed < options.flights or in_the_air:
        now = time.monotonic() - start
        if departed < options.flights and now >= departed / options.rate:
            flight_id, route = first + departed, chance.choice(ROUTES)
            # Flights out of Chicago are late more often than others.
            late = chance.random() < (0.6 if route[0] == "ORD" else 0.15)
            delay = chance.randint(20, 90) if late else chance.randint(-12, 12)
            flights.send_good("departure", DEPARTURES, departure(flight_id, now_ms(), route))
            in_the_air.append((now + options.flight_time, flight_id, route, delay))
            departed += 1
        elif in_the_air and now >= in_the_air[0][0]:
            _, flight_id, route, delay = in_the_air.popleft()
            flights.send_good("arrival", ARRIVALS, arrival(flight_id, now_ms(), route, delay))
        else:
            flights.producer.poll(0.005)


def send_bad(flights, kind, flight_id, neighbour):
    """One record that cannot be taken. `neighbour`: a flight that was sent as it should be."""
    now, hour = now_ms(), 3_600_000
    key, timestamp, more = str(flight_id).encode(), now, {}
    record = departure(flight_id, now, ROUTES[0])
    if kind == "oversize":
        record["origin"] = "X" * 512 * 1024
    elif kind in ("future", "future-timestamp"):
        record["departedAt"] = now + 3 * hour
        timestamp = now if kind == "future" else now + 3 * hour
    elif kind == "no-time":
        record["departedAt"] = -1
    elif kind in ("again", "late", "wrong-partition"):
        key, record["flightId"] = neighbour, int(neighbour)
    if kind == "late":
        # In the partition of the neighbour time has come further.
        record["departedAt"] = now - hour
    elif kind == "wrong-partition":
        partitions = len(flights.producer.list_topics(DEPARTURES, 10).topics[DEPARTURES].partitions)
        more["partition"] = (flights.partition_of[neighbour] + 1) % partitions
    elif kind == "wrong-key":
        key = b"flight-" + key
    elif kind == "null-key":
        key = None
    value = flights.value(DEPARTURES, record)
    if kind == "malformed":
        value = value[:-4]
    elif kind == "unframed":
        value = json.dumps(record).encode()
    elif kind == "no-value":
        value = None
    elif kind == "unknown-schema":
        value = b"\0" + (2_000_000_000).to_bytes(4, "big") + value[5:]
    more["headers"] = [("kind", kind.encode())]
    flights.send(kind, DEPARTURES, key, value, record, timestamp=timestamp, **more)


def main():
    options = arguments()
    first = now_ms() * 1000 if options.first is None else options.first
    try:
        flights = Flights(options)
    except (KafkaException, ValueError) as error:
        sys.exit(f"--kafka, --schemas: {error}")
    flights.check()
    send_flights(flights, options, first)
    flights.finish()
    kinds = list(BAD) if "all" in options.bad else options.bad
    for number, kind in enumerate(kinds):
        send_bad(flights, kind, first + options.flights + number, str(first).encode())
    flights.finish()
    if flights.failed:
        sys.exit("\n".join(flights.failed))


if __name__ == "__main__":
    main()
