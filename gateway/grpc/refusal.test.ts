import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, errorTable } from "../../schemas/errors.ts";
import { grpcTodo, toldOf } from "../answers.ts";

test("nobody who calls over gRPC is sent to a path or a header of HTTP", () => {
  let told = 0;
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const todo = toldOf(code);
    if (todo === undefined) continue;
    told++;
    const body = { code, message: "", where: null, todo };
    // What no door of gRPC answers with: events, views and what MLflow logs come over HTTP alone.
    if (/^(EVENT|VIEW|LOOK|HOST|TRACKING)/.test(code)) continue;
    assert.doesNotMatch(grpcTodo(body), /\/v\d|openapi|header|Retry-After|content type/, code);
  }
  assert.ok(told > 30, String(told));
});
