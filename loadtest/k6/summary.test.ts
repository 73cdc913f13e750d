import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../schemas/package-root.ts";

interface Module {
  summary(data: object, required: readonly string[]): { readonly stdout: string };
}

test("a name as long as its column stands apart from its figures", async () => {
  // k6 gives scripts their settings so.
  Object.assign(globalThis, { __ENV: {} });
  const file = pathToFileURL(join(packageRoot(), "loadtest", "k6", "summary.js")).href;
  const { summary } = (await import(file)) as Module;
  const values = { min: 0.004, count: 3 };
  const { stdout } = summary({ metrics: { http_req_tls_handshaking: { values } } }, []);
  assert.match(stdout, /^http_req_tls_handshaking min 0, count 3$/m);
});
