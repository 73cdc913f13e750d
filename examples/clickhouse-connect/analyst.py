"""What an analyst asks of Millrace's tables, in cells: run it whole, or cell by cell in an editor.

It needs nothing but clickhouse-connect. With pandas installed, `client.query_df(...)` gives frames.
"""

# %% Connect: the port is that of the local stack, or of `--http` on the embedded one.
import argparse
import json
import os
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import Error

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8123)
parser.add_argument("--user", default="default", help="its password: $CLICKHOUSE_PASSWORD")
parser.add_argument("--secure", action="store_true", help="speak TLS")
parser.add_argument("--ca", metavar="FILE", help="certificates of authorities, PEM")
parser.add_argument("--flights", help="flights of your own: lines of flightId, origin, destination")
parser.add_argument("--json", help="file that gets all answers")
options = parser.parse_args()

try:
    client = clickhouse_connect.get_client(
        host=options.host,
        port=options.port,
        username=options.user,
        password=os.environ.get("CLICKHOUSE_PASSWORD", ""),
        secure=options.secure,
        ca_cert=options.ca,
        database="flights",
    )
except Error as error:
    sys.exit(f"{error}\nIs it up, and at --host and --port?")
answers = {}


def ask(name, question, sql):
    """Runs a query, prints its rows under the question and keeps them."""
    try:
        result = client.query(sql)
    except Error as error:
        sys.exit(f"{question}: {error}\nStart Millrace first: it makes the tables.")
    print(f"\n{question}")
    print("  " + ("  ".join(result.column_names) if result.result_rows else "none"))
    for row in result.result_rows:
        print("  " + "  ".join("-" if value is None else shown(value) for value in row))
    answers[name] = [dict(zip(result.column_names, row)) for row in result.result_rows]


def shown(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


# %% How good the predictions are, by day. An AUC needs both kinds of flights: else it is nan.
ask(
    "daily",
    "By day: flights, how many were late, what was predicted, AUC",
    """
    SELECT toDate(predicted_at) AS day, count() AS flights, avg(label) AS late_share,
      avg(probability) AS predicted, arrayAUC(groupArray(probability), groupArray(label)) AS auc
    FROM outcomes WHERE label IS NOT NULL
    GROUP BY day ORDER BY day
    """,
)

# %% Calibration: of flights given a probability of about p, about p should be late.
ask(
    "calibration",
    "By tenth of predicted probability: predicted and observed",
    """
    SELECT floor(probability, 1) AS tenth, count() AS flights, avg(probability) AS predicted,
      avg(label) AS observed
    FROM outcomes WHERE label IS NOT NULL
    GROUP BY tenth ORDER BY tenth
    """,
)

# %% By who answered: each model version, or the fallback where there was none.
ask(
    "models",
    "By model version: flights, AUC, how many answers were incomplete",
    """
    SELECT ifNull(o.version, 'fallback') AS version, count() AS flights,
      arrayAUC(groupArray(o.probability), groupArray(label)) AS auc, sum(incomplete) AS incomplete
    FROM outcomes AS o INNER JOIN predictions AS p USING (flight_id)
    WHERE label IS NOT NULL
    GROUP BY version ORDER BY version
    """,
)

# %% Point in time: the feature tables hold every row that was ever served, each with the moment
# from which it was known (as_of, excluded). The newest one before a moment is what was true then.
ask(
    "moments",
    "Delays of the three busiest airports, as they were known at five moments of the period",
    """
    WITH
      (SELECT min(known_at) FROM predictions) AS first,
      (SELECT max(known_at) FROM predictions) AS last,
      moments AS (
        SELECT origin, addMilliseconds(first, intDiv(
          dateDiff('millisecond', first, last) * number, 4)) AS moment
        FROM numbers(5) AS n CROSS JOIN (
          SELECT toString(origin) AS origin FROM origin_delays
          GROUP BY origin ORDER BY count() DESC, origin LIMIT 3) AS busiest)
    SELECT m.origin AS airport, m.moment AS moment, d.flights_3h AS flights_3h,
      d.delay_mean_3h AS delay_mean_3h, d.late_share_3h AS late_share_3h
    FROM moments AS m ASOF LEFT JOIN origin_delays AS d
      ON d.origin = m.origin AND d.as_of < m.moment
    ORDER BY airport, moment
    """,
)

# %% The same look-up for a table of your own, here in a temporary one that this session alone sees.
# The moments are those of the predictions, so that what was served can be held against it.
if options.flights is not None:
    with open(options.flights, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    flights = {each["flightId"]: each for each in lines if each.get("kind") == "departure"}
    client.command(
        "CREATE TEMPORARY TABLE mine (flight_id Int64, origin String, destination String)"
    )
    client.insert(
        "mine",
        [[flight, each["origin"], each["destination"]] for flight, each in flights.items()],
        column_names=["flight_id", "origin", "destination"],
    )
    ask(
        "point_in_time",
        "Features looked up in the tables against those that were served with the prediction",
        """
        WITH asked AS (
          SELECT mine.*, p.incomplete, p.known_at, p.inbound_flights_3h, p.inbound_delay_mean_3h,
            p.route_late_share_24h, p.traffic_departures_15m
          FROM mine INNER JOIN predictions AS p ON p.flight_id = mine.flight_id)
        SELECT count() AS flights, countIf(a.inbound_flights_3h > 0) AS with_inbound,
          -- Incomplete: in live mode, something was not waited for.
          sum(a.incomplete) AS incomplete,
          countIf(NOT a.incomplete AND inbound.flights_3h = a.inbound_flights_3h
            AND inbound.delay_mean_3h IS NOT DISTINCT FROM a.inbound_delay_mean_3h
            AND route.late_share_24h IS NOT DISTINCT FROM a.route_late_share_24h
            AND traffic.departures_15m = a.traffic_departures_15m) AS equal
        FROM asked AS a
        ASOF LEFT JOIN destination_delays AS inbound
          ON inbound.destination = a.origin AND inbound.as_of < a.known_at
        ASOF LEFT JOIN route_delays AS route
          ON route.origin = a.origin AND route.destination = a.destination
            AND route.as_of < a.known_at
        ASOF LEFT JOIN origin_traffic AS traffic
          ON traffic.origin = a.origin AND traffic.as_of < a.known_at
        """,
    )

# %% What was refused, and why.
ask(
    "dead_letters",
    "Dead letters by source and code, the newest by its time",
    """
    SELECT source, code, count() AS records, any(reason) AS reason, max(timestamp) AS newest
    FROM dead_letters GROUP BY source, code ORDER BY source, code
    """,
)

# %% Done.
if options.json is not None:
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(answers, file, default=str, indent=2)
client.close()
