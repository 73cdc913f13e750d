/**
 * Holds what flights gives against what is recorded in `loadtest/gate.json`: feature rows,
 * predictions, outcomes, models and drift records of a replay on the embedded stack. A change of
 * the inside leaves them equal; one that is meant to change them records them again and says why.
 *
 * node dist/loadtest/gate.js --help
 *
 * `--against` also runs the command line of another build, in turn, and compares CPU time.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { programFlags } from "./program-flags.ts";
import { querySql } from "./run-process.ts";

const file = fileURLToPath(new URL("../../loadtest/gate.json", import.meta.url));
const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const from = "2001-01-01";

/** What is held: where it stands, and columns that are measured or say where a row stood. */
const held: Readonly<Record<string, { readonly table: string; readonly except: string }>> = {
  "feature rows of origin_delays": { table: "raw_origin_delays_v1", except: "" },
  "feature rows of destination_delays": { table: "raw_destination_delays_v1", except: "" },
  "feature rows of route_delays": { table: "raw_route_delays_v1", except: "" },
  "feature rows of origin_traffic": { table: "raw_origin_traffic_v1", except: "" },
  predictions: { table: "raw_predictions", except: "latency_ms source_offset" },
  outcomes: { table: "raw_outcomes", except: "" },
  models: { table: "raw_models", except: "" },
  drift: { table: "raw_drift", except: "" },
};
const plumbing = ["topic", "partition", "offset", "topic_id"];

/** Of one kind of row: the columns that were held, how many rows, and the sum of their hashes. */
interface Digest {
  readonly columns: readonly string[];
  readonly rows: number;
  readonly hash: string;
}
type Digests = Readonly<Record<string, Digest>>;

async function digestsOf(data: string, before: Digests | undefined): Promise<Digests> {
  const found: Record<string, Digest> = {};
  for (const [name, { table, except }] of Object.entries(held)) {
    const columns = before?.[name]?.columns ?? (await columnsOf(data, table, except));
    const list = columns.map((column) => `\`${column}\``).join(", ");
    const sql = `SELECT count(), sum(cityHash64(tuple(${list}))) FROM ${table}`;
    const [rows = "", hash = ""] = (await querySql(["--data", data], sql)).split("\t");
    found[name] = { columns, rows: Number(rows), hash };
  }
  return found;
}

/** A column that is added later is not held until the digests are recorded again. */
async function columnsOf(data: string, table: string, except: string): Promise<string[]> {
  const sql = `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '${table}' ORDER BY position`;
  const names = (await querySql(["--data", data], sql)).split("\n");
  return names.filter((name) => ![...plumbing, ...except.split(" ")].includes(name));
}

/** Replays the range; returns the seconds of CPU that it took, children included. */
function replay(main: string, data: string, to: string): Promise<number> {
  const command = 'TIMEFORMAT="cpu %U %S"; time "$@"';
  // Earlier builds know flights alone.
  const app = join(dirname(main), "..", "examples", "flights", "app.js");
  const module = existsSync(app) ? [app] : [];
  const run = [process.execPath, main, "run", ...module];
  const args = [...run, "--from", from, "--to", to, "--data", data];
  const child = spawn("bash", ["-c", command, "gate", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once("close", (code) => {
      const [, user, system] = /^cpu (\S+) (\S+)$/m.exec(output) ?? [];
      if (code === 0) resolve(Number(user) + Number(system));
      else reject(new Error(`${main} ended with ${code}:\n${output}`));
    });
  });
}

function differences(recorded: Digests, found: Digests): string[] {
  return Object.entries(found).flatMap(([name, { rows, hash }]) => {
    const before = recorded[name];
    if (before?.rows === rows && before.hash === hash) return [];
    return [`DIFFERENT  ${name}: ${rows} rows ${hash}, recorded ${before?.rows} ${before?.hash}`];
  });
}

async function main(): Promise<number> {
  const { values } = programFlags({
    command: "node dist/loadtest/gate.js",
    does: "Replays flights on the embedded stack and holds feature rows, predictions, outcomes, models and drift records against what loadtest/gate.json has recorded.",
    flags: {
      to: {
        type: "string",
        takes: "DATE",
        default: "2001-01-15",
        help: "behind the last event; the dates of the file are recorded",
      },
      record: {
        type: "boolean",
        default: false,
        help: "records what it found, in place of comparing",
      },
      against: {
        type: "string",
        takes: "PROGRAM",
        help: "command line of another build (dist/cli/main.js) whose CPU time is compared, in turn",
      },
      pairs: { type: "string", takes: "N", default: "1", help: "of runs that are compared so" },
    },
    fails: "where something differs, or nothing is recorded for the range",
  });
  const { to, against } = values;
  const recorded = JSON.parse(await readFile(file, "utf8")) as Record<string, Digests>;
  const work = await mkdtemp(join(tmpdir(), "millrace-gate-"));
  try {
    const data = join(work, "new");
    const cpu = await replay(program, data, to);
    console.log(`${from} to ${to}: ${cpu.toFixed(1)} s of CPU`);
    const found = await digestsOf(data, recorded[to]);
    if (values.record) {
      await writeFile(file, `${JSON.stringify({ ...recorded, [to]: found }, null, 2)}\n`);
      console.log(`recorded in ${file}`);
      return 0;
    }
    const before = recorded[to];
    if (before === undefined) throw new Error(`nothing is recorded for a run to ${to}`);
    const lines = differences(before, found);
    console.log(lines.length === 0 ? "equal      all that is recorded" : lines.join("\n"));
    if (against !== undefined) await compareCpu(work, against, to, Number(values.pairs));
    return lines.length === 0 ? 0 : 1;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Both builds in turn, so that a noisy machine is noisy for both. */
async function compareCpu(work: string, other: string, to: string, pairs: number): Promise<void> {
  const ratios: number[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    const theirs = await replay(other, join(work, `old-${pair}`), to);
    const ours = await replay(program, join(work, `new-${pair}`), to);
    ratios.push(ours / theirs);
    console.log(
      `pair ${pair}: CPU ${ours.toFixed(1)} s against ${theirs.toFixed(1)} s, ratio ${(ours / theirs).toFixed(3)}`,
    );
  }
  ratios.sort((a, b) => a - b);
  console.log(`median ratio ${ratios[Math.floor(ratios.length / 2)]?.toFixed(3)}`);
}

process.exitCode = await main();
