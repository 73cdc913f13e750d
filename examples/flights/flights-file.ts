import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** The data set: 3,000,000 flights and the airports they use, from the package `vega-datasets`. */
export interface FlightFiles {
  /** Absolute path of `flights-3m.parquet`. */
  readonly flights: string;
  /** Absolute path of `airports.csv`. */
  readonly airports: string;
}

/** The days that the file covers, in local dates as in UTC; the end is excluded. */
export const fileStart = Date.UTC(2001, 0, 1);
export const fileEnd = Date.UTC(2001, 6, 2);

/** What is wrong with a range that goes beyond the data set, where nothing would ever be sent. */
export function rangeProblem(from: number, to: number): string | null {
  if (from >= fileStart && to <= fileEnd) return null;
  const iso = (time: number) => new Date(time).toISOString().replace(/:00\.000Z$/, "");
  return (
    `the flights lie between ${iso(fileStart)} and ${iso(fileEnd)} (UTC); ` +
    `${iso(from)} to ${iso(to)} goes beyond`
  );
}

/** Where the installed package keeps its files. */
export function flightFiles(): FlightFiles {
  // The package exports its entry (build/index.js) alone; its data lies beside that folder.
  const folder = join(dirname(require.resolve("vega-datasets")), "..", "data");
  return { flights: join(folder, "flights-3m.parquet"), airports: join(folder, "airports.csv") };
}

/** An airport and where it lies, in degrees. */
export interface Airport {
  readonly iata: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** The rows of `airports.csv`. */
export function readAirports(path: string): Airport[] {
  const [header, ...lines] = readFileSync(path, "utf8").split(/\r?\n/);
  const columns = splitCsv(header ?? "");
  const at = (name: string) => columns.indexOf(name);
  const [iata, latitude, longitude] = [at("iata"), at("latitude"), at("longitude")] as const;
  return lines
    .filter((line) => line !== "")
    .map(splitCsv)
    .map((cells) => ({
      iata: cells[iata] ?? "",
      latitude: Number(cells[latitude]),
      longitude: Number(cells[longitude]),
    }));
}

/** Cells of one line; a quoted cell may hold commas and doubled quotes. */
export function splitCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}
