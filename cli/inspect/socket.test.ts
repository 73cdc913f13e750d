import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MillraceError } from "../../schemas/errors.ts";
import type { Inspector } from "../../serving/inspector.ts";
import { connectInspector } from "./socket-client.ts";
import { socketAddress, socketPath } from "./socket-path.ts";
import { serveInspector } from "./socket-server.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-socket-"));
after(() => rmSync(folder, { recursive: true }));

const refuse = () => Promise.reject(new Error("not asked for here"));
const inspector: Inspector = {
  topics: refuse,
  features: ({ view }) =>
    Promise.reject(new MillraceError("VIEW_UNKNOWN", { view, near: "", known: "none" })),
  columns: refuse,
  deadLetters: refuse,
  models: refuse,
  sql: ({ query }) => Promise.resolve(query.repeat(3)),
  sqlBytes: refuse,
  config: () => Promise.resolve([{ name: "data", value: folder, origin: "default" }]),
  registerModel: refuse,
  scoreJob: refuse,
  scorePage: refuse,
  promoteModel: refuse,
  rollBackModel: refuse,
  routeModel: refuse,
  modelHistory: refuse,
  compareModel: refuse,
  modelFile: refuse,
  close: () => Promise.resolve(),
};

test("answers come back over the socket, errors with their code, in any order", async () => {
  const server = await serveInspector(inspector, folder);
  assert.equal(statSync(socketPath(folder)).mode & 0o777, 0o600);
  const client = await connectInspector(folder);
  assert.ok(client !== null);
  const long = "x".repeat(500_000);
  const [text, config] = await Promise.all([
    client.sql({ query: long, format: "TSV", topology: null }),
    client.config({}),
  ]);
  assert.equal(text, long.repeat(3));
  assert.equal(config[0]?.value, folder);
  await assert.rejects(client.features({ view: "v", key: ["k"], at: null, topology: null }), {
    code: "VIEW_UNKNOWN",
    message: /feature view "v"/,
  });
  await client.close();
  await server.close();
  assert.equal(await connectInspector(folder), null);
});

test("what is no request is refused, and a message without end is cut off", async () => {
  const server = await serveInspector(inspector, folder);
  const ask = (bytes: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(socketAddress(folder));
      let heard = "";
      socket.on("data", (chunk) => {
        heard += chunk;
        socket.end();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(heard));
      socket.write(bytes);
    });
  assert.match(await ask("no JSON\n"), /INSPECT_REFUSED/);
  assert.match(await ask('{"id":1,"method":"close","request":{}}\n'), /there is no \\"close\\"/);
  assert.match(await ask('{"id":1,"method":"constructor"}\n'), /INSPECT_REFUSED/);
  assert.equal(await ask("x".repeat(2 * 1024 * 1024)), "");
  await server.close();
});

test("a request under way fails when the run ends", async () => {
  const server = await serveInspector(
    { ...inspector, models: () => new Promise(() => {}) },
    folder,
  );
  const client = await connectInspector(folder);
  assert.ok(client !== null);
  const asked = assert.rejects(client.models({ names: [] }), { code: "INSPECT_REFUSED" });
  await client.config({});
  await server.close();
  await asked;
});

test("an answer that is too long, of text or of lines, is refused with what to do", async () => {
  const long = "x".repeat(65 * 1024 * 1024);
  const lines = [{ version: long }] as unknown as Awaited<ReturnType<Inspector["models"]>>;
  const server = await serveInspector({ ...inspector, models: async () => lines }, folder);
  const client = await connectInspector(folder);
  assert.ok(client !== null);
  const refused = { code: "INSPECT_REFUSED", message: /longer than 64 MB: ask for less/ };
  await assert.rejects(client.models({ names: [] }), refused);
  await server.close();
  const other = await serveInspector({ ...inspector, sql: async () => long }, folder);
  const again = await connectInspector(folder);
  assert.ok(again !== null);
  await assert.rejects(again.sql({ query: "", format: "TSV", topology: null }), refused);
  await other.close();
});

test("a data directory with a long path has a socket too", {
  skip: process.platform !== "linux",
}, async () => {
  const long = join(folder, "d".repeat(120));
  mkdirSync(long);
  const server = await serveInspector(inspector, long);
  const client = await connectInspector(long);
  assert.equal((await client?.config({}))?.length, 1);
  await client?.close();
  await server.close();
});

test("asking about a directory that does not exist makes none", async () => {
  for (const name of ["nowhere", "n".repeat(150)]) {
    assert.equal(await connectInspector(join(folder, name)), null);
    assert.equal(existsSync(join(folder, name)), false);
  }
});
