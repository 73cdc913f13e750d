/** Starting, stopping, going on and being fed bad input, by the program that users run. */
import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { rereadRun } from "../../audit/reread/reread-run.ts";
import type { Producer } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { recordLimitBytes } from "../../runtime/engine/rejections.ts";
import { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { DeadLetterLine } from "../../serving/inspector.ts";
import { openEmbeddedStack } from "../../stacks/embedded-stack.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { mountSmallDisk } from "../../testing/small-disk-fixture.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { departure } from "../../topologies/flights/generated.ts";
import { askMillrace, killStarted, startMillrace } from "../millrace-fixture.ts";
import type { Summary } from "../summary/summary.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-life-"));
after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});
const [early, end] = ["2001-01-01T09:00", "2001-01-01T13:00"];

/** Runs a command to its end; once it has printed `interruptAt` it gets a Ctrl-C. */
async function millrace(args: readonly string[], interruptAt?: string) {
  const { child, ended } = startMillrace(...args);
  let said = "";
  const take = (chunk: Buffer) => {
    const before = said;
    said += chunk.toString("utf8");
    if (interruptAt === undefined || before.includes(interruptAt)) return;
    if (said.includes(interruptAt)) child.kill("SIGINT");
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  return { code: (await ended).code, out: said };
}

/** A command whose rule is not its process. */
async function ask(name: string, ...args: string[]) {
  const { code, out, err } = await askMillrace(...args, "--data", data(name));
  return { code, out: `${out}${err}` };
}

const data = (name: string) => join(folder, name);
/** A run to its end, after others of its process: what it must not know of them, it must not. */
const run = (name: string, to: string, ...more: string[]) => ask(name, "run", "--to", to, ...more);

async function sql(name: string, statement: string): Promise<string> {
  const { code, out } = await ask(name, "sql", "--format", "TSV", statement);
  assert.equal(code, 0, out);
  return out.trim();
}

/** The bytes of one value. */
async function sqlBytes(name: string, statement: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const args = ["--format", "RawBLOB", "--data", data(name)];
  const { child, ended } = startMillrace("sql", statement, ...args);
  child.stdout?.on("data", (chunk) => chunks.push(chunk));
  const { code, err } = await ended;
  assert.equal(code, 0, err);
  return Buffer.concat(chunks);
}

/** What must be equal however a run came about: all rows but measured time and their places. */
async function digest(name: string): Promise<string> {
  const tables = ["origin_delays_v1", "route_delays_v1", "origin_traffic_v1", "outcomes"];
  const parts = tables.map(
    (table) =>
      `SELECT '${table}' t, count(),
       sum(cityHash64(tuple(* EXCEPT (topic, partition, offset, topic_id)))) FROM raw_${table}`,
  );
  parts.push(`SELECT 'predictions' t, count(),
    sum(cityHash64(tuple(* EXCEPT (topic, partition, offset, topic_id, latency_ms))))
    FROM raw_predictions`);
  return await sql(name, `SELECT * FROM (${parts.join(" UNION ALL ")}) ORDER BY t`);
}

let undisturbed = "";

test("a run ends with 0, its summary has every field and balances", async () => {
  const json = join(folder, "summary.json");
  const calm = ["run", "--data", data("calm"), "--to", end, "--summary", json];
  const { code, out } = await millrace(calm);
  assert.equal(code, 0, out);
  assert.match(out, /Balanced/);
  const summary = JSON.parse(readFileSync(json, "utf8")) as Summary;
  assert.deepEqual(Object.keys(summary).sort(), [
    "balanced",
    "fallbackAuc",
    "features",
    "memory",
    "models",
    "outcomes",
    "predictions",
    "range",
    "stack",
    "throughput",
    "topologies",
  ]);
  const { labelled, takenForNegative, unknown, pending } = summary.outcomes;
  assert.equal(summary.balanced, true);
  assert.ok(summary.predictions.total > 500 && summary.features.rows > 3_000);
  assert.equal(takenForNegative, 0);
  assert.equal(summary.predictions.total, labelled + unknown + pending);
  undisturbed = await digest("calm");
});

test("a run to an earlier end, then further, equals one that went there at once", async () => {
  assert.equal((await run("further", early)).code, 0);
  cpSync(data("further"), data("fed"), { recursive: true });
  assert.equal((await run("further", end)).code, 0);
  assert.equal(await digest("further"), undisturbed);
});

test("Ctrl-C ends with 130, also while a run starts, and says how to go on; it costs nothing", async () => {
  const args = ["run", "--data", data("stopped"), "--to", end];
  // While it still starts it ends at once; then it comes to an end that stands.
  for (const at of ["Millrace: flights", "metrics"]) {
    const stopped = await millrace(args, at);
    assert.equal(stopped.code, 130, stopped.out);
    assert.match(stopped.out, /run again to continue/i);
    assert.doesNotMatch(stopped.out, /Balanced/);
  }
  assert.equal((await run("stopped", end)).code, 0);
  assert.equal(await digest("stopped"), undisturbed);
});

test("a disk that is full ends a run with one code, wherever it is; with room it is as if it never was", {
  skip: requirement("mount"),
}, async () => {
  const disk = mountSmallDisk(data("disk"), 1);
  try {
    let ends = 0;
    for (const megabytes of [1, 3, 5, 7, 9, 64]) {
      disk.resize(megabytes);
      const { code, out } = await run("disk/data", end);
      if (code === 0) break;
      ends++;
      assert.equal(code, 1, out);
      assert.match(out, /^STORAGE_FULL: What stands in .* cannot be written/m);
      assert.doesNotMatch(out, /^\s+at /m, "no stack");
      assert.doesNotMatch(out, /Waiting for/, "it is not waited for");
    }
    assert.ok(ends > 2, `${ends} sizes were too small`);
    assert.equal(await digest("disk/data"), undisturbed);
  } finally {
    disk.unmount();
  }
});

test("another start or an earlier end is refused with what to do; --fresh starts over", async () => {
  const start = await ask("further", "run", "--to", end, "--from", "2001-01-01T01:00");
  assert.equal(start.code, 2);
  assert.match(start.out, /DATA_RANGE_CHANGED.*--fresh/s);
  const earlier = await ask("further", "run", "--to", early);
  assert.equal(earlier.code, 2);
  assert.match(earlier.out, /DATA_RANGE_SHORTER.*--fresh/s);
  assert.equal((await run("further", early, "--fresh")).code, 0);
  assert.ok(Number(await sql("further", "SELECT count() FROM predictions")) > 0);
});

test("--fresh deletes nothing that a run did not write", async () => {
  mkdirSync(join(data("mine"), "models"), { recursive: true });
  writeFileSync(join(data("mine"), "models", "precious"), "mine");
  const refused = await ask("mine", "run", "--to", early, "--fresh");
  assert.notEqual(refused.code, 0);
  assert.match(refused.out, /DATA_FOREIGN/);
  assert.equal(readFileSync(join(data("mine"), "models", "precious"), "utf8"), "mine");
});

const garbage = Buffer.from([0, 0, 0, 0, 1, 0xff, 10, 10, 68]);

test("bad records end as dead letters with reason and bytes, while the rest flows on", async () => {
  // It has run to the earlier end: a copy of what the other had then.
  await feedBadRecords();
  const { code, out } = await run("fed", end);
  assert.equal(code, 0, out);
  assert.match(out, /Balanced/);
  assert.match(out, /WARNING: flights refused records: 1 EVENT_TIME_AHEAD, 1 MALFORMED_AVRO, /);
  const codes = "SELECT groupArray(code) FROM (SELECT code FROM dead_letters ORDER BY code)";
  assert.equal(
    await sql("fed", codes),
    "['EVENT_TIME_AHEAD','MALFORMED_AVRO','NULL_KEY','RECORD_OVERSIZE','UNKNOWN_SCHEMA'," +
      "'WRONG_PARTITION']",
  );
  const bytes = "SELECT hex(value) FROM dead_letters WHERE code = 'MALFORMED_AVRO'";
  assert.equal(await sql("fed", bytes), garbage.toString("hex").toUpperCase());
  assert.deepEqual(await sqlBytes("fed", bytes.replace("hex(value)", "value")), garbage);
  const size = "SELECT length(value) FROM dead_letters WHERE code = 'RECORD_OVERSIZE'";
  assert.equal(await sql("fed", size), String(recordLimitBytes + 1));
  const listed = await ask("fed", "dead-letters", "list");
  assert.match(listed.out, /WRONG_PARTITION/);
  assert.doesNotMatch(listed.out, /There are more/);
  await checkListedBytes();
  assert.equal((await ask("fed", "verify")).code, 0);
  const predictions = undisturbed.split("\n").find((line) => line.startsWith("predictions"));
  const fed = (await digest("fed")).split("\n").find((line) => line.startsWith("predictions"));
  assert.equal(fed?.split("\t")[1], predictions?.split("\t")[1], "as many predictions as without");
});

/** The original bytes are listed as JSON, as many as are asked for; a cut list says so. */
async function checkListedBytes(): Promise<void> {
  const list = (...more: string[]) => ask("fed", "dead-letters", "list", ...more);
  const letters = JSON.parse((await list("--json")).out) as DeadLetterLine[];
  const of = (code: string) => letters.find((each) => each.code === code);
  const malformed = of("MALFORMED_AVRO");
  assert.deepEqual(Buffer.from(malformed?.valueBase64 ?? "", "base64"), garbage);
  assert.equal(Buffer.from(malformed?.keyBase64 ?? "", "base64").toString(), "9000001");
  assert.deepEqual([malformed?.headers, malformed?.timestamp], [[], 0]);
  assert.deepEqual([of("NULL_KEY")?.keyBytes, of("NULL_KEY")?.keyBase64], [null, null]);
  const oversize = of("RECORD_OVERSIZE");
  assert.equal(oversize?.valueBytes, recordLimitBytes + 1);
  assert.equal(Buffer.from(oversize?.valueBase64 ?? "", "base64").length, 65_536);
  const [first] = JSON.parse((await list("--json", "--limit", "1", "--bytes", "3")).out);
  assert.equal(Buffer.from(first.valueBase64, "base64").length, 3);
  assert.match((await list("--limit", "5")).out, /There are more: --limit 50/);
}

test("a re-reading says how far it is, and leaves nothing behind, stopped or not", async () => {
  const directory = data("calm");
  const stack = await openEmbeddedStack({ directory });
  const steps: [share: number, what: string][] = [];
  const stop = new AbortController();
  const options = { plan, stack, directory, live: false, ended: true, signal: stop.signal };
  try {
    const onStep = (share: number, what: string) => void steps.push([share, what]);
    const { topics } = await rereadRun({ ...options, onStep });
    assert.deepEqual(
      steps,
      topics.map(({ topic }, index) => [index / topics.length, `comparing ${topic}`]),
    );
    await assert.rejects(rereadRun({ ...options, onStep: () => stop.abort() }), /AbortError/);
    assert.ok(readdirSync(directory).every((name) => !name.startsWith("reread-")));
  } finally {
    await stack.close();
  }
});

/** Writes six bad departures behind those of a finished run. */
async function feedBadRecords(): Promise<void> {
  const stack = await openEmbeddedStack({ directory: data("fed") });
  const producer = await stack.broker.producer({ transactionalId: null });
  const id = await stack.registry.register("flights.departures-value", departure);
  const encoder = new AvroEncoder(departure, id);
  const at = Date.parse("2001-01-01T09:00Z");
  const encode = (flightId: number, departedAt: number): Buffer => {
    const writer = new ByteWriter();
    const local = { localHour: 3, localWeekday: 1, distanceMiles: 100 };
    encoder.encode({ flightId, departedAt, origin: "ORD", destination: "JFK", ...local }, writer);
    return writer.take();
  };
  const home = (key: string) => partitionOf(key, 4);
  await send(producer, "9000001", home("9000001"), garbage);
  await send(producer, "9000002", home("9000002"), Buffer.from([0, 0, 0, 99, 99, 1, 2]));
  await send(producer, null, 0, encode(9_000_003, at));
  await send(producer, "9000004", home("9000004"), encode(9_000_004, at + 49 * 3_600_000));
  await send(producer, "9000005", (home("9000005") + 1) % 4, encode(9_000_005, at));
  await send(producer, "9000006", home("9000006"), Buffer.alloc(recordLimitBytes + 1));
  await producer.close();
  await stack.close();
}

async function send(
  producer: Producer,
  key: string | null,
  partition: number,
  value: Buffer,
): Promise<void> {
  const builder = new RecordBatchBuilder();
  builder.append(key === null ? null : Buffer.from(key), value, 0);
  await producer.send([{ topic: "flights.departures", partition, batch: builder.build() }]);
}
