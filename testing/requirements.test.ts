import assert from "node:assert/strict";
import { test } from "node:test";
import { requirement } from "./requirements-fixture.ts";

function withEnvironment(changes: Readonly<Record<string, string>>, check: () => void): void {
  const before = { ...process.env };
  Object.assign(process.env, changes);
  try {
    check();
  } finally {
    process.env = before;
  }
}

test("a test that lacks a program is skipped with the command that installs it", () => {
  withEnvironment({ PATH: "/nowhere", MILLRACE_REQUIRE_ALL: "" }, () => {
    const reason = requirement("redis-server");
    assert.match(String(reason), /^needs redis-server: .*install.* redis/);
    assert.match(String(requirement("redis-server", "maven")), /redis.*; Maven/);
    assert.equal(requirement(), false);
  });
});

test("where everything is required, a missing program is a failure", () => {
  withEnvironment({ PATH: "/nowhere", MILLRACE_REQUIRE_ALL: "1" }, () => {
    assert.throws(() => requirement("maven"), /MILLRACE_REQUIRE_ALL=1.*Maven/);
  });
});
