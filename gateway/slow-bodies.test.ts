/** Requests that are sent slower than they may be, over HTTP and gRPC: one limit for both. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:http2";
import { connect as connectTcp } from "node:net";
import { after, before, test } from "node:test";
import { z } from "zod";
import { door } from "./door.ts";
import { openTestGateway, usualLimits } from "./gateway-fixture.ts";
import { closeClients, inference } from "./grpc/grpc-client-fixture.ts";
import type { Gateway } from "./open-gateway.ts";

const receiveMs = 100;
/** Of a test: what is not refused is waited for. */
const timeout = 30_000;
let gateway: Gateway;
let handled = 0;
let leave = (): void => {};
const left = new Promise<void>((resolve) => {
  leave = resolve;
});

before(async () => {
  const handle = () => {
    handled++;
    return { body: {} };
  };
  const taking = door({
    ...{ method: "POST", path: "/take", scope: null, title: "", about: "", takes: "bytes" },
    ...{ answers: { status: 200, schema: z.unknown() }, errors: [], handle },
  });
  const giving = door({
    ...{ method: "GET", path: "/give", scope: null, title: "", about: "", takes: "none" },
    ...{ answers: "application/octet-stream", errors: [] },
    handle: ({ caller }) => {
      caller.onLeave(leave);
      return { body: Buffer.alloc(64 * 2 ** 20) };
    },
  });
  gateway = await openTestGateway([taking, giving], {
    limits: { ...usualLimits, receiveMs },
    grpc: {
      address: { host: "127.0.0.1", port: 0 },
      service: {
        definition: inference.service,
        doors: { ModelInfer: { scope: null, handle } },
      },
    },
  });
});
after(async () => {
  closeClients();
  await gateway.close();
});

test("a body over HTTP that does not come is 408", { timeout }, async (t) => {
  const { port } = new URL(gateway.url);
  const socket = connectTcp(Number(port), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write("POST /take HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  await once(socket, "close");
  assert.match(answer, /^HTTP\/1.1 408 /);
  assert.match(answer, /within 100 ms/);
  assert.equal(handled, 0);
});

test("a message over gRPC that does not come is refused, and its call counts no longer", {
  timeout,
}, async (t) => {
  const session = connect(`http://${gateway.grpcAddress}`);
  t.after(() => session.destroy());
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/inference.GRPCInferenceService/ModelInfer" },
    ...{ "content-type": "application/grpc", te: "trailers" },
  });
  // It says 100 bytes, and sends two of them.
  stream.write(Buffer.from([0, 0, 0, 0, 100, 1, 2]));
  let told: Record<string, unknown> = {};
  for (const event of ["response", "trailers"] as const) {
    stream.on(event, (headers) => {
      told = { ...told, ...headers };
    });
  }
  stream.resume();
  await new Promise<void>((resolve) => {
    stream
      .on("end", resolve)
      .on("close", resolve)
      .on("error", () => resolve());
  });
  assert.equal(told["millrace-code"], "REQUEST_INVALID");
  assert.match(decodeURIComponent(String(told["grpc-message"])), /within 100 ms/);
  assert.equal(handled, 0);
  session.destroy();
  const metrics = await gateway.metrics.registry.metrics();
  assert.match(metrics, /millrace_gateway_requests_under_way 0/);
});

test("a client that takes nothing of its answer is not waited for", { timeout }, async (t) => {
  const { port } = new URL(gateway.url);
  const socket = connectTcp(Number(port), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.pause().write("GET /give HTTP/1.1\r\nhost: localhost\r\n\r\n");
  await left;
});

test("one that takes it gets it whole, and asks again", { timeout }, async (t) => {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  for (const _ of [1, 2]) {
    const asking = request(`${gateway.url}/give`, { agent }).end();
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    let bytes = 0;
    for await (const chunk of answer) bytes += (chunk as Buffer).length;
    assert.equal(bytes, 64 * 2 ** 20);
  }
});
