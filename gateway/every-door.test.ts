/** Requests of every shape at every door: none fails, and each refusal says why. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  drawnBy,
  type PredictWorld,
  predictWorld,
  step,
} from "../runtime/predict/predict-fixture.ts";
import { type TrackedGateway, trackedGateway } from "./mlflow/mlflow-fixture.ts";

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly fields: readonly string[];
  readonly queries: readonly string[];
}

let world: PredictWorld;
let tracked: TrackedGateway;
let operations: Operation[] = [];
const random = drawnBy("every door");

before(async () => {
  world = await predictWorld();
  tracked = await trackedGateway(world, "fuzzed");
  const answer = await fetch(`${tracked.gateway.url}/openapi.json`);
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, Told>> };
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({ path, method, ...fieldsOf(told) })),
  );
});
after(async () => {
  await tracked.close();
  await world.close();
});

interface Told {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Record<string, { readonly schema?: { readonly properties?: object } }>;
  };
}

function fieldsOf({ parameters = [], requestBody }: Told) {
  const shape = requestBody?.content["application/json"]?.schema?.properties ?? {};
  const queries = parameters.filter((each) => each.in === "query").map(({ name }) => name);
  return { fields: Object.keys(shape), queries };
}

const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T;

/** What stands where a value is expected: right ones among them, so that requests come far. */
const values: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 2 ** 53, 1e308, "", "0", "1", "x", "-9223372036854775808", "NaN"],
  ...["__proto__", "constructor", "..", "../../etc/passwd", "\u0000", "\ud800", "é".repeat(300)],
  ...["%", "*", "' OR 1=1 --", "metrics.a > 1 AND", "tags.`a", "name LIKE '%'", "a".repeat(9_000)],
  ...[[], [null], [[]], [{}], {}, { key: "k", value: "v" }, [{ key: "k", value: 1 }], ["0"], [0]],
  ...["RUNNING", "ACTIVE_ONLY", "champion", "scores", "cards@1", step.model.name, "latest"],
];

function anyValue(depth = 0): unknown {
  if (depth < 3 && random(6) === 0) {
    return Object.fromEntries([0, 1].map(() => [String(pick(values)), anyValue(depth + 1)]));
  }
  return pick(values);
}

function part(): string {
  const plain = ["scores", "cards", "cards@1", step.model.name, "0", "1", "r1", "champion", "c1"];
  const odd = ["%00", "%2e%2e", "%2F", "%F0%9F%98%80", "%ff", "a".repeat(3_000), "__proto__", "%"];
  return random(2) === 0 ? pick(plain) : pick(odd);
}

function bodyOf({ fields }: Operation): string | Buffer {
  const kind = random(10);
  if (kind === 0) return Buffer.from(Array.from({ length: random(200) }, () => random(256)));
  if (kind === 1) return pick(["", "{", "[]", "null", "1", '"x"', "{}{}", `${"[".repeat(9_000)}`]);
  const named = fields.filter(() => random(3) > 0).map((name) => [name, anyValue()] as const);
  return JSON.stringify(Object.fromEntries([...named, ["more", anyValue()]].slice(random(2))));
}

test("whatever is sent to whatever door is answered or refused with a message; none fails", async () => {
  const seen = new Map<number, number>();
  const doors = new Set<string>();
  for (let round = 0; round < 12; round++) {
    for (const operation of operations) {
      const { method, queries } = operation;
      const path = operation.path.replaceAll(/\{\w+\}/g, () => part()).replace(/\*$/, part);
      const query = new URLSearchParams();
      for (const name of queries) {
        if (random(2) === 0) query.append(name, String(pick(values)).slice(0, 4_000));
      }
      const headers: Record<string, string> = {};
      if (random(8) > 0)
        headers["content-type"] = pick([
          "application/json",
          "application/json",
          "text/plain",
          "application/octet-stream",
          "multipart/form-data",
        ]);
      let body: string | Buffer | null = method === "get" ? null : bodyOf(operation);
      if (body !== null && random(8) === 0) {
        headers["content-encoding"] = pick(["gzip", "deflate", "br", "zstd"]);
        if (random(2) === 0) body = gzipSync(body);
      }
      const url = `${tracked.gateway.url}${path}${query.size === 0 ? "" : `?${query}`}`;
      const answer = await fetch(url, { method: method.toUpperCase(), headers, body });
      const text = await answer.text();
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      const sent = `${method} ${url.slice(0, 300)} ${String(body).slice(0, 300)}`;
      assert.ok(
        answer.status < 500 || answer.status === 503,
        `${answer.status} ${text} of ${sent}`,
      );
      // Of a model that is not ready the protocol says just that.
      if (answer.status < 400 || path.endsWith("/ready")) {
        doors.add(`${method} ${operation.path}`);
        continue;
      }
      const told = JSON.parse(text) as Record<string, string>;
      assert.ok((told["error"] ?? told["message"] ?? "").length > 10, `${text} of ${sent}`);
    }
  }
  assert.ok((seen.get(400) ?? 0) > 100 && doors.size > 8, JSON.stringify([...seen, ...doors]));
});

test("another method of a path is refused with those that it has, as its clients read errors", async () => {
  const shapes = new Set<string>();
  const fitting = operations.map(({ path, method }) => ({
    fits: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    methods: method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()],
  }));
  for (const path of new Set(operations.map((each) => each.path))) {
    const url = path.replaceAll(/\{\w+\}/g, "x");
    const has = fitting.filter(({ fits }) => fits.test(url)).flatMap(({ methods }) => methods);
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
      if (has.includes(method)) continue;
      const answer = await fetch(tracked.gateway.url + url, { method });
      const text = await answer.text();
      assert.equal(answer.status, 405, `${method} ${url}: ${text}`);
      assert.equal(answer.headers.get("allow"), [...new Set(has)].sort().join(", "), url);
      if (method === "HEAD") continue;
      const told = JSON.parse(text) as Record<string, string>;
      assert.deepEqual([told["code"], told["where"]], ["METHOD_NOT_ALLOWED", "method"]);
      if (url.startsWith("/api/")) assert.equal(told["error_code"], "ENDPOINT_NOT_FOUND");
      shapes.add(Object.keys(told).join());
    }
  }
  assert.deepEqual([...shapes].sort(), [
    "code,message,where,todo",
    "error,code,where",
    "error_code,message,code,where",
  ]);
});
