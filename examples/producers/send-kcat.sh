#!/bin/sh
# Sends orders as JSON with kcat: send-kcat.sh [BROKERS]; the last one is none.
set -eu
brokers=${1:-127.0.0.1:9092}
kcat -b "$brokers" -P -t orders.kcat -X acks=all <<'ORDERS'
{"customer":"ann","amount":"12.50"}
{"customer":"ann","amount":7.5,"note":"passed over"}
{"customer":"bob","amount":1}
{"customer":"bob"}
ORDERS
