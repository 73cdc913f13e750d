import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { askGateway, gatewayIsThere } from "./gateway-requests.ts";

test("a request without an answer says why, e.g. of a gateway that has ended", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const gateway = { url: `http://127.0.0.1:${port}`, key: null };
  await assert.rejects(askGateway(gateway, "/v1/views"), /^Error: no answer: ECONNREFUSED$/);
  await assert.rejects(gatewayIsThere(gateway), {
    code: "GATEWAY_AWAY",
    message: /no answer: ECONNREFUSED/,
  });
});
