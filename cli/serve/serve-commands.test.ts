import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { askMillrace, killStarted, startMillrace, until } from "../millrace-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-serve-"));
const keysFile = ["--keys-file", join(folder, "keys.json")];
const data = join(folder, "data");
after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

async function keys(...args: string[]) {
  return await askMillrace("keys", ...args, ...keysFile);
}

test("a key is made, listed and revoked", async () => {
  const wrong = await keys("add", "app", "--scope", "reed,all", "--rate", "often");
  assert.equal(wrong.code, 2, wrong.err);
  assert.match(wrong.err, /there is no scope "reed" \(did you mean read\?\)/);
  assert.match(wrong.err, /no scope "all"; there are read, predict, ingest, registry, admin/);
  assert.match(wrong.err, /--rate: write a number/);
  const added = await keys("add", "app", "--scope", "read,predict", "--json");
  assert.equal(added.code, 0, added.err);
  const { key, id, scopes, sha256 } = JSON.parse(added.out);
  assert.match(key, /^mr_/);
  assert.deepEqual([scopes, sha256], [["read", "predict"], undefined]);
  const listed = await keys("list");
  assert.match(listed.out, new RegExp(`${id} +app +read,predict`));
  assert.ok(!listed.out.includes(key));
  assert.equal((await keys("revoke", id)).code, 0);
  const unknown = await keys("revoke", `${id.slice(0, -1)}g`);
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /KEY_UNKNOWN.*did you mean/);
});

test("what cannot be served is refused before anything listens", async () => {
  const nothing = await askMillrace("serve", "--data", data, "--listen", "0");
  assert.match(nothing.err, /DATA_MISSING/);
  const odd = await askMillrace("serve", "--data", data, "--listen", "here:there");
  assert.equal(odd.code, 2);
  assert.match(odd.err, /--listen: "here:there": write a port of 127.0.0.1, host:port or off/);
});

test("a run serves its features, and ends its gateway with itself", async () => {
  const open = ["--listen", "0.0.0.0:0", "--keys-file", join(folder, "none.json")];
  const live = ["run", "--live", "--for", "120s", "--rate", "20", "--metrics", "off"];
  const refused = await askMillrace(...live, "--data", data, ...open);
  assert.equal(refused.code, 2, refused.err);
  assert.match(refused.err, /GATEWAY_OPEN: .*millrace keys add/);
  const more = ["--data", data, "--listen", "0", ...keysFile];
  const { key } = JSON.parse((await keys("add", "app", "--json")).out);
  const run = startMillrace(...live, ...more);
  const url = await until("the gateway", () => /gateway +(http:\S+)/.exec(run.out())?.[1] ?? null);
  assert.equal((await fetch(`${url}/v1/views`)).status, 401);
  const headers = { authorization: `Bearer ${key}` };
  const feature = async () => {
    const answer = await fetch(`${url}/v1/features/origin_traffic/ATL`, { headers });
    const body = (await answer.json()) as { status: string };
    return answer.status === 200 && body.status === "FRESH" ? body : null;
  };
  await until("a fresh row", feature);
  run.child.kill("SIGTERM");
  const { code, err } = await run.ended;
  assert.equal(code, 130, err);
});
