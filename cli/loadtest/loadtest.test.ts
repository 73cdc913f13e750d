/** Loads on an application that is none of ours, beside its live run. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  askMillrace,
  killStarted,
  type Started,
  startMillrace,
  until,
} from "../millrace-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-loadtest-"));
const data = join(folder, "data");
const records = join(folder, "payments.ndjson");
const disputes = join(folder, "disputes.ndjson");
const app = fileURLToPath(new URL("../../examples/card-payments/app.js", import.meta.url));
let run: Started;
let gateway: string;
before(async () => {
  const payments = Array.from({ length: 20 }, (_, n) => {
    const of = { card: `c${n % 5}`, terminal: `t${n % 3}`, country: "DE", amount: 10 + n };
    return JSON.stringify({ paymentId: "any", paidAt: 0, ...of });
  });
  writeFileSync(records, payments.join("\n"));
  writeFileSync(
    disputes,
    JSON.stringify({ paymentId: "any", disputedAt: 0, terminal: "t1", reason: "FRAUD" }),
  );
  const live = ["--live", "--for", "10m", "--create-sources", "--metrics", "off", "--listen", "0"];
  run = startMillrace("run", app, ...live, "--data", data);
  gateway = await until("the gateway", () => /gateway +(http:\S+)/.exec(run.out())?.[1] ?? null);
});
after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

async function load(kind: string, name: string, ...more: string[]) {
  const short = ["--for", "1s", "--warm-up", "0s", "--rate", "20", "--dropped", "1"];
  const where = ["--data", data, "--live", "--gateway", gateway, "--json"];
  const { code, out, err } = await askMillrace(
    ...["loadtest", kind, name, "--records", records, ...short, ...where, ...more],
  );
  return { code, err, told: code === 2 || out === "" ? null : JSON.parse(out) };
}

test("events go in, and each has its prediction in the table once", async () => {
  const { code, told, err } = await load(
    ...(["ingest-http", "payments", "--rows", "3"] as const),
    ...["--with", `disputes=${disputes}`],
  );
  assert.equal(code, 0, err + JSON.stringify(told));
  const due = told.answered * 3;
  assert.deepEqual(told.kept, [{ table: "predictions", due, found: due, doubled: 0 }]);
});

test("predictions are answered, each of its own record, and stand in the log once", async () => {
  const { code, told, err } = await load("predict", "predictions", "--rows", "2");
  assert.equal(code, 0, err + JSON.stringify(told));
  const due = told.answered * 2;
  assert.deepEqual(told.kept, [{ table: "predictions_served", due, found: due, doubled: 0 }]);
  assert.deepEqual(told.answers, { "the fallback (no model)": due });
});

test("features are read, of one entity and of many, and of those that were asked for", async () => {
  for (const rows of ["1", "4"]) {
    const { code, told, err } = await load("features", "card_spending", "--rows", rows);
    assert.equal(code, 0, err + JSON.stringify(told));
    const counted = Object.values(told.answers as Record<string, number>);
    assert.equal(
      counted.reduce((sum, n) => sum + n, 0),
      told.answered * Number(rows),
    );
  }
});

test("a load fails where the gateway refuses, and says with what", async () => {
  const wrong = join(folder, "wrong.ndjson");
  writeFileSync(wrong, JSON.stringify({ card: "c1" }));
  const { code, told } = await load("predict", "predictions", "--records", wrong);
  assert.equal(code, 1);
  assert.equal(told.passed, false);
  assert.match(Object.keys(told.errors)[0] ?? "", /RECORD_REFUSED: .*amount is missing/);
});

test("what cannot be loaded is refused before anything is sent", async () => {
  const refused = async (...args: Parameters<typeof load>) => {
    const { code, err } = await load(...args);
    assert.equal(code, err.includes("GATEWAY_AWAY") ? 1 : 2, err);
    return err;
  };
  assert.match(await refused("predict", "prediction"), /STEP_UNKNOWN.*did you mean predictions\?/s);
  assert.match(await refused("features", "cards"), /VIEW_UNKNOWN.*There are: card_spending@1/s);
  assert.match(await refused("ingest-http", "payment"), /EVENT_TOPIC_UNKNOWN.*mean payments\?/s);
  assert.match(await refused("ingest-kafka", "payments"), /no port for producers/);
  const away = await refused("predict", "predictions", "--gateway", "http://127.0.0.1:9");
  assert.match(away, /GATEWAY_AWAY.*\(no answer: .+\).*--listen 8080/s);
  const many = await refused("predict", "predictions", "--rate", "x", "--rows", "0", "--with", "a");
  assert.match(many, /--with: \\"a\\": write TOPIC=FILE.*--rate: .*--rows: write a whole number/s);
  const keyless = join(folder, "keyless.ndjson");
  writeFileSync(keyless, "{}");
  const without = await refused("features", "card_spending", "--records", keyless);
  assert.match(without, /a record of .*keyless.ndjson has no card, a key of card_spending/);
});
