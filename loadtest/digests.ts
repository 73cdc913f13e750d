/**
 * Queries whose answers must be equal over two runs of the same flights: all columns but measured
 * time and where a row, or the record behind it, stood in its topic: what a killed replay left in
 * a transaction that was aborted takes offsets on Kafka.
 */
export const digests: Readonly<Record<string, string>> = {
  "feature rows of origin_delays": rowsDigest("raw_origin_delays_v1"),
  "feature rows of destination_delays": rowsDigest("raw_destination_delays_v1"),
  "feature rows of route_delays": rowsDigest("raw_route_delays_v1"),
  "feature rows of origin_traffic": rowsDigest("raw_origin_traffic_v1"),
  predictions: rowsDigest("raw_predictions", "latency_ms", "source_offset"),
  outcomes: rowsDigest("raw_outcomes"),
  models: rowsDigest("raw_models"),
};

/** All of them in one statement, a row each, by name. */
export const allDigests: string = (() => {
  const all = Object.entries(digests).map(
    ([name, sql]) => `SELECT '${name}' AS what, * FROM (${sql}) AS digest`,
  );
  return `SELECT * FROM (${all.join(" UNION ALL ")}) ORDER BY what`;
})();

/** Rows and the sum of their hashes: blind to order, not to doubles. */
function rowsDigest(table: string, ...leftOut: string[]): string {
  const except = ["topic", "partition", "offset", "topic_id", ...leftOut].join(", ");
  return `SELECT count(), sum(cityHash64(tuple(* EXCEPT (${except})))) FROM ${table}`;
}
