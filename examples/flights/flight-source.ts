import { ByteReader } from "../../schemas/bytes.ts";
import { quoteText } from "../../schemas/sql-text.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import type { AirportClocks } from "./airport-clocks.ts";
import { createFlightBlock, type FlightBlock, flightDurationMs } from "./flight-block.ts";
import { fileEnd, fileStart } from "./flights-file.ts";

/** Flights by the local date of their departure: what the file is sorted by. */
export interface FlightSource {
  /** Flights whose local departure lies on the day that begins at `localMidnight`, in row order. */
  localDay(localMidnight: number): Promise<FlightBlock>;
  /** First day and end (excluded) of the source, local midnights. */
  readonly start: number;
  readonly end: number;
}

/** Reads the Parquet file through ClickHouse's engine, one local day at a time. */
export function parquetFlights(
  offline: Pick<OfflineStore, "queryStream">,
  path: string,
  clocks: AirportClocks,
): FlightSource {
  return {
    start: fileStart,
    end: fileEnd,
    async localDay(localMidnight) {
      const chunks: Buffer[] = [];
      await offline.queryStream(localDaySql(path, localMidnight), (chunk) => {
        chunks.push(Buffer.from(chunk));
      });
      return readBlock(Buffer.concat(chunks), clocks);
    },
  };
}

const dayMs = 86_400_000;

/** Columns as {@link readBlock} takes them; `date` is a wall clock, stored as if it were UTC. */
function localDaySql(path: string, localMidnight: number): string {
  return `SELECT assumeNotNull(toFloat64(_row_number)),
  toFloat64(intDiv(toUnixTimestamp64Micro(assumeNotNull(date)), 1000)),
  assumeNotNull(toInt32(distance)), assumeNotNull(toInt32(delay)),
  assumeNotNull(toString(origin)), assumeNotNull(toString(destination))
FROM file(${quoteText(path)}, Parquet)
WHERE date >= ${instant(localMidnight)} AND date < ${instant(localMidnight + dayMs)}
ORDER BY _row_number`;
}

function instant(utc: number): string {
  return `toDateTime64('${new Date(utc).toISOString().slice(0, 19).replace("T", " ")}', 6, 'UTC')`;
}

/** RowBinary: f64, f64, i32, i32, and two texts behind their length. */
function readBlock(rows: Buffer, clocks: AirportClocks): FlightBlock {
  const block = createFlightBlock(countRows(rows));
  const names = new Map<number, string>();
  const reader = new ByteReader(rows);
  for (let row = 0; row < block.size; row++) {
    block.flightId[row] = reader.f64();
    block.localTime[row] = reader.f64();
    const distance = reader.buffer.readInt32LE(reader.position);
    block.distanceMiles[row] = distance;
    block.delayMinutes[row] = reader.buffer.readInt32LE(reader.position + 4);
    reader.position += 8;
    const origin = readName(reader, names);
    block.origin[row] = origin;
    block.destination[row] = readName(reader, names);
    const departedAt = clocks.of(origin).toUtc(block.localTime[row] as number);
    block.departedAt[row] = departedAt;
    block.arrivedAt[row] = departedAt + flightDurationMs(distance);
  }
  return block;
}

const fixedBytes = 24;

function countRows(rows: Buffer): number {
  let count = 0;
  let position = 0;
  while (position < rows.length) {
    position += fixedBytes;
    position += 1 + (rows[position] as number);
    position += 1 + (rows[position] as number);
    count++;
  }
  return count;
}

/** Three letters come millions of times: one string each. */
function readName(reader: ByteReader, names: Map<number, string>): string {
  const length = reader.u8();
  const start = reader.position;
  reader.position += length;
  if (length > 3) return reader.buffer.toString("latin1", start, reader.position);
  let code = length;
  for (let i = start; i < reader.position; i++) code = code * 256 + (reader.buffer[i] as number);
  let name = names.get(code);
  if (name === undefined) {
    name = reader.buffer.toString("latin1", start, reader.position);
    names.set(code, name);
  }
  return name;
}
