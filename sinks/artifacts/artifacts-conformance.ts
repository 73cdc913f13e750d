import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { SharedArtifacts } from "./shared-artifacts.ts";

/** What every driver of {@link SharedArtifacts} keeps. @param open - the same place every time. */
export function sharedArtifactsConformance(
  name: string,
  open: () => Promise<SharedArtifacts>,
): void {
  test(`${name}: an artifact is read as it was written, on another machine too`, async () => {
    const [one, other] = [await open(), await open()];
    for (const bytes of [Buffer.from("model\0\r\n\xff", "latin1"), Buffer.alloc(3_000_000, 0xa5)]) {
      const sha256 = shaOf(bytes);
      assert.equal(await other.read(sha256), null);
      await one.write(sha256, bytes);
      assert.deepEqual(await other.read(sha256), bytes);
    }
  });

  test(`${name}: an artifact that is written again, by two at once, is the same`, async () => {
    const [one, other] = [await open(), await open()];
    const bytes = Buffer.from("written again");
    const sha256 = shaOf(bytes);
    await Promise.all([one.write(sha256, bytes), other.write(sha256, bytes)]);
    await one.write(sha256, bytes);
    assert.deepEqual(await one.read(sha256), bytes);
  });

  test(`${name}: a name that is no sha256 leads nowhere`, async () => {
    const artifacts = await open();
    for (const sha256 of ["../../etc/passwd", "", "A".repeat(64), `${"0".repeat(64)}/x`]) {
      await assert.rejects(artifacts.read(sha256), RangeError);
      await assert.rejects(artifacts.write(sha256, Buffer.from("x")), RangeError);
    }
  });
}

export function shaOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
