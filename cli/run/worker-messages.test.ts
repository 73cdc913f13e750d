import assert from "node:assert/strict";
import { test } from "node:test";
import { deserialize, serialize } from "node:v8";
import { Secret } from "../../runtime/config/secret.ts";
import { resolveConfig } from "../../runtime/config.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { packConfig, packError, unpackConfig, unpackError } from "./worker-messages.ts";

/** As a message to another process arrives. */
function sent<T>(message: T): T {
  return deserialize(serialize(message)) as T;
}

test("a worker gets the configuration of its parent, secrets included", () => {
  const flags = { stack: "local", workers: "2", slow: ["flights.arrivals=10"] };
  const { config } = resolveConfig({ flags, env: {}, file: "none" });
  assert.deepEqual(unpackConfig(sent(packConfig(config))), config);
  const secret = new Secret("open sesame");
  const withSecret = { ...config, kafkaPassword: secret } as typeof config;
  const { kafkaPassword } = unpackConfig(sent(packConfig(withSecret))) as { kafkaPassword: Secret };
  assert.equal(kafkaPassword.reveal(), secret.reveal());
  assert.ok(!String(kafkaPassword).includes("sesame"));
});

test("what is packed stays as it was when the configuration was read", () => {
  const { config } = resolveConfig({ flags: { listen: "8080" }, env: {}, file: "none" });
  const packed = packConfig(config);
  assert.notEqual(packed.plain["listen"], config.listen);
  assert.throws(() => Object.assign(config.listen ?? {}, { cb: () => {} }), TypeError);
  assert.deepEqual(sent(packed).plain["listen"], { host: "127.0.0.1", port: 8080 });
});

test("an error of a worker is the same error in its parent", () => {
  const cause = new RangeError("the disk is full");
  const error = new MillraceError("DATA_LOCKED", { directory: "d", pid: 7 }, { cause });
  const back = unpackError(sent(packError(error)));
  assert.ok(back instanceof MillraceError);
  assert.deepEqual(
    [back.code, back.message, back.context],
    [error.code, error.message, error.context],
  );
  assert.equal((back.cause as Error).message, cause.message);
  const foreign = unpackError(sent(packError(cause)));
  assert.deepEqual([foreign.message, foreign.stack], [cause.message, cause.stack]);
});
