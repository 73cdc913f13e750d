/** The curl lines of docs/serving.md, the Python example and the client, against a gateway. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Registry } from "prom-client";
import { GatewayError, gatewayClient } from "../../client.ts";
import { dispute, payment } from "../../examples/card-payments/schemas/generated.ts";
import { cardPayments } from "../../examples/card-payments/topology.ts";
import { allDoors } from "../../gateway/doors/all-doors.ts";
import { countedStores, noKeys, usualLimits } from "../../gateway/gateway-fixture.ts";
import { hashOf, newKey } from "../../gateway/keys/api-key.ts";
import { type Gateway, openGateway } from "../../gateway/open-gateway.ts";
import { Served } from "../../gateway/served.ts";
import { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import { type IngestWorld, ingestWorld } from "../../runtime/ingest/ingest-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { openArtifactStore } from "../../runtime/services/train/artifacts.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { avro } from "../../schemas/formats/avro/avro-format.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { pythonEnvironment, requirement } from "../../testing/requirements-fixture.ts";

const plan = cardPayments({ payment: avro(payment), dispute: avro(dispute) });
let world: IngestWorld;
let ingest: EventIngest;
let gateway: Gateway;
let locked: Gateway;
let predictions: Predictions;
const folder = mkdtempSync(join(tmpdir(), "millrace-serving-"));
const { id, key } = newKey();
const python = join(pythonEnvironment, "bin", "python");

before(async () => {
  world = await ingestWorld(plan);
  ingest = new EventIngest([plan], world);
  const { online } = countedStores();
  const served = new Served([plan], countedStores(), Date.now);
  await world.broker.createTopics(plan.topics.filter(({ role }) => role.startsWith("model")));
  const artifacts = { of: () => openArtifactStore(join(folder, "models")) };
  predictions = new Predictions([plan], { ...world, online, artifacts });
  const tracking = new Tracking([plan], { ...world, artifacts });
  const { offline } = countedStores();
  const models = new RegisteredModels(tracking, [plan], { ...world, offline }, Date.now);
  const base = {
    ...{ address: { host: "127.0.0.1", port: 0 }, tls: null, keysFile: "keys.json" },
    ...{ limits: usualLimits, waitingFor: () => [] },
    doors: allDoors({
      served,
      ingest,
      predictions,
      ...{ tracking, models },
      registry: new Registry(),
      waitingFor: () => [],
    }),
  };
  gateway = await openGateway({ ...base, keys: () => noKeys });
  const own = { ...{ id, name: "test", sha256: hashOf(key), rate: null, burst: 1, revoked: null } };
  const byId = new Map([[id, { ...own, scopes: ["read"] as const, created: "" }]]);
  locked = await openGateway({ ...base, keys: () => ({ byId, isLocked: true }) });
});
after(async () => {
  await gateway.close();
  await locked.close();
  await predictions.close();
  await ingest.close();
  await world.broker.close();
  rmSync(folder, { recursive: true, force: true });
});

function execute(program: string, args: readonly string[]) {
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(program, args, { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/** Whole commands that begin with curl, as the page has them. */
const page = readFileSync(join(packageRoot(), "docs", "serving.md"), "utf8");
const commands = [...page.matchAll(/^```(\S*).*\n([\s\S]*?)^```$/gm)].flatMap(
  ([, language, block = ""]) =>
    language === "" ? (/^curl [\s\S]*/m.exec(block) ?? []).slice(0, 1) : [],
);

test("each curl of the page on serving does what it says", {
  skip: requirement("curl"),
}, async () => {
  assert.ok(commands.length >= 4, "the page shows reads, events and a key");
  for (const command of commands) {
    const isLocked = command.includes("Bearer");
    const line = command
      .replace("http://127.0.0.1:8080", (isLocked ? locked : gateway).url)
      .replace("mr_…", key)
      .replace(/^curl /, "curl --silent --show-error --fail-with-body ");
    const { code, out, err } = await execute("sh", ["-c", line]);
    assert.equal(code, 0, `${line}\n${out}\n${err}`);
    assert.equal(typeof JSON.parse(out), "object");
  }
  const sent = (await world.read("payments")).map(({ key: own }) => own);
  assert.deepEqual(sent, ["4711"], "the event of the page stands in its topic");
});

test("the client reads, sends, and tells what was refused", async () => {
  const client = gatewayClient({ url: gateway.url });
  const one = await client.features("card_spending", "4711", { at: new Date(), maxLagMs: 5 });
  assert.deepEqual(
    [one.status, one.view, one.key],
    ["MISSING", "card_spending@1", { card: "4711" }],
  );
  // A fetch takes these for steps of the path, and would ask for another entity.
  for (const card of [".", ".."]) {
    const dots = await client.features("card_spending", [card], { at: one.at ?? 0, maxLagMs: 5 });
    assert.deepEqual(dots, { ...one, key: { card } });
  }
  const [rows] = await client.featureRows([
    {
      view: "card_spending",
      keys: [4711n],
      features: ["payments_1d"],
      defaults: { payments_1d: 0 },
    },
  ]);
  assert.deepEqual(rows?.rows[0]?.values, [0]);
  const [step] = await client.steps();
  assert.deepEqual([step?.step, step?.unserved], ["predictions", null]);
  const { source, record } = await client.step("predictions", { topology: step?.topology ?? "" });
  assert.equal(source, "payments");
  assert.deepEqual(
    record.flatMap(({ field, required }) => (required ? [field] : [])),
    ["card", "terminal", "amount"],
  );
  const asked = { card: "c", terminal: "t", amount: 1 };
  const made = await client.predict("predictions", asked, { features: true, late: "error" });
  assert.deepEqual([made.probability, made.fallbackReason], [0.01, "no model"]);
  assert.equal(made.features?.["card_payments_1d"], 0);
  const both = await client.predictAll("predictions", [asked, { ...asked, paymentId: "two" }]);
  assert.deepEqual([both.length, both[1]?.id], [2, "two"]);
  const wrong = { card: "c" };
  const each = await client.predictEach("predictions", [{ ...asked, paymentId: "one" }, wrong]);
  assert.deepEqual([each.answered, each.refused], [1, 1]);
  assert.deepEqual(
    each.predictions.map((one) => ("code" in one ? one.code : one.id)),
    ["one", "RECORD_REFUSED"],
  );
  const none = await client.predictEach("predictions", [wrong]);
  assert.deepEqual([none.answered, none.refused], [0, 1]);
  await assert.rejects(client.predictAll("predictions", [asked, wrong]), {
    code: "RECORD_REFUSED",
  });
  await assert.rejects(client.predict("predictions", { card: "c" }), { code: "RECORD_REFUSED" });
  const event = { paymentId: "c-1", paidAt: Date.now(), card: "c", terminal: "t", country: "DE" };
  const sent = await client.send("payments", { ...event, amount: 1.5 }, { idempotencyKey: "one" });
  const again = await client.send("payments", { ...event, amount: 1.5 }, { idempotencyKey: "one" });
  assert.deepEqual(again, sent);
  const batch = await client.sendAll("payments", [event, { ...event, amount: 2 }]);
  assert.deepEqual([batch.accepted, batch.refused], [1, 1]);
  await assert.rejects(client.send("payments", event), (error) => {
    assert.ok(error instanceof GatewayError);
    assert.deepEqual([error.code, error.status, error.where], ["EVENT_REFUSED", 422, "body"]);
    assert.match(error.message, /amount is missing/);
    return true;
  });
  const stranger = gatewayClient({ url: locked.url });
  await assert.rejects(stranger.features("card_spending", "1"), { code: "KEY_MISSING" });
  await assert.rejects(stranger.steps(), { code: "KEY_MISSING" });
  const known = gatewayClient({ url: `${locked.url}/`, key });
  assert.equal((await known.features("card_spending", ["1"])).status, "MISSING");
  await assert.rejects(known.step("predictions"), { code: "KEY_SCOPE" });
});

test("the Python example sends and reads with requests alone", {
  skip: requirement("python-clients"),
}, async () => {
  const script = join(packageRoot(), "examples", "python-serving", "serving.py");
  const { code, out, err } = await execute(python, [script, "--url", gateway.url]);
  assert.equal(code, 0, err);
  const [sent = "", one = "", rows = "", made = "", refused = ""] = out.trim().split("\n");
  assert.equal(JSON.parse(sent).accepted, 3);
  assert.equal(JSON.parse(one).key.card, "python");
  assert.equal(JSON.parse(rows).length, 2);
  assert.equal(JSON.parse(made).fallbackReason, "no model");
  assert.match(refused, /^EVENT_REFUSED: .*paymentId is 1, not a text/);
});
