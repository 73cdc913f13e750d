import assert from "node:assert/strict";
import { test } from "node:test";
import { fromElsewhere } from "./from-elsewhere.ts";

test("a page of another site is told by host, origin or site, and a program of this machine is not", () => {
  const host = "127.0.0.1:9464";
  for (const own of [host, "localhost", "LOCALHOST:1", "[::1]:80"])
    assert.equal(fromElsewhere({ host: own }), null, own);
  for (const other of [undefined, "", "a.example", "127.0.0.1.a.example", "127.0.0.1:1@a", "::1"])
    assert.equal(fromElsewhere({ host: other }), "host", other);
  assert.equal(fromElsewhere({ host, origin: "http://127.0.0.1:9464" }), "origin");
  assert.equal(fromElsewhere({ host, "sec-fetch-site": "cross-site" }), "sec-fetch-site");
  for (const own of ["none", "same-origin"])
    assert.equal(fromElsewhere({ host, "sec-fetch-site": own }), null, own);
});
