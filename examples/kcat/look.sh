#!/bin/sh
# What kcat and curl show of Millrace's topics: layout, keys, positions, schemas, counts.
# look.sh [BROKERS [REGISTRY]]; with TLS or a login: see README.md
set -eu
brokers=${1:-127.0.0.1:9092}
registry=${2:-http://127.0.0.1:8081/apis/ccompat/v7}

echo "Topics for others, with their partitions:"
kcat -b "$brokers" -L | grep -E '^  topic "flights\.(departures|arrivals|predictions|outcomes)"' ||
  { echo "none: start Millrace first, it makes the topics" >&2; exit 1; }

echo
echo "Five departures: partition, offset, key, record timestamp, bytes of the value:"
kcat -b "$brokers" -C -q -e -c 5 -o beginning -t flights.departures -f '%p %o %k %T %S\n'

echo
echo "Schema of the predictions: byte 0 of a value is 0, bytes 1 to 4 are its id:"
id=$(kcat -b "$brokers" -C -q -e -c 1 -o beginning -X isolation.level=read_committed \
  -t flights.predictions -s 'value=>bI' -f '%s' | sed 's/^0//')
echo "$id"
curl -sf "$registry/schemas/ids/$id" | cut -c 1-300

echo
echo "Flights that have a committed prediction, and how many have more than one:"
kcat -b "$brokers" -C -q -e -o beginning -X isolation.level=read_committed \
  -t flights.predictions -f '%k\n' | sort | uniq -c | awk '{ n++; if ($1 > 1) more++ }
  END { printf "%d flights, %d of them more than once\n", n, more }'
