import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { kafkaRights, redisClusterRights, redisRights } from "./least-rights-fixture.ts";

test("docs/operations.md lists the rights that the secured run has, and no others", () => {
  const page = readFileSync(join(packageRoot(), "docs", "operations.md"), "utf8");
  const rows = [...page.matchAll(/^\| (topic|group|transactional-id) \| .*$/gm)].map(
    ([row]) => row,
  );
  const wanted = kafkaRights.map(({ resource, name, prefixed, operations }) => {
    const which = prefixed ? `prefix \`${name}\`` : `\`${name}\``;
    return `| ${resource} | ${which} | ${operations.join(", ")} |`;
  });
  assert.deepEqual(rows.sort(), wanted.sort());
  assert.ok(page.includes(`ACL SETUSER millrace on >PASSWORD ${redisRights}\n`));
  assert.ok(page.includes(`needs \`${redisClusterRights}\` besides`));
});
