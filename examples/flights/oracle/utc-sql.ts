import { quoteText } from "../../../schemas/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { airportZone } from "../airport-zones.ts";

/**
 * SQL for the departure in UTC seconds, computed by ClickHouse's own time zones. Shares nothing
 * with the replay but the facts: positions of airports, their zones, and the rule for local
 * times that a clock skipped (read with the offset before the change: an hour later).
 *
 * @param local - SQL of the wall clock as text, `YYYY-MM-DD hh:mm:ss`.
 */
export async function departureSql(
  offline: Pick<OfflineStore, "query">,
  files: { readonly flights: string; readonly airports: string },
  local: string,
): Promise<string> {
  const airports = await offline.query<{ iata: string; latitude: number; longitude: number }>(
    `SELECT toString(iata) AS iata, toFloat64(latitude) AS latitude,
      toFloat64(longitude) AS longitude
    FROM file(${quoteText(files.airports)}, CSVWithNames) WHERE iata IN
      (SELECT DISTINCT origin FROM file(${quoteText(files.flights)}, Parquet))`,
  );
  const byZone = new Map<string, string[]>();
  for (const { iata, latitude, longitude } of airports) {
    const zone = airportZone(iata, latitude, longitude);
    byZone.set(zone, [...(byZone.get(zone) ?? []), iata]);
  }
  const branches = [...byZone].map(([zone, codes]) => {
    const seconds = (text: string) => `toUnixTimestamp(${text}, ${quoteText(zone)})`;
    const shown = `toString(toDateTime(${seconds(local)}, ${quoteText(zone)}))`;
    const hourLater = `toString(toDateTime(${local}, 'UTC') + INTERVAL 1 HOUR)`;
    const list = codes.map(quoteText).join(", ");
    return `origin IN (${list}), if(${shown} = ${local}, ${seconds(local)}, ${seconds(hourLater)})`;
  });
  return `toInt64(multiIf(${branches.join(", ")}, NULL))`;
}
