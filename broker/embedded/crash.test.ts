import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkDirectory, runTransactions } from "./crash-workload-fixture.ts";
import { type FaultHook, SimulatedCrash, type StoragePoint } from "./storage.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-crash-"));
after(() => rmSync(root, { recursive: true }));

const points: readonly StoragePoint[] = [
  "segment-create",
  "segment-write",
  "marker-write",
  "segment-drop",
  "compaction-write",
  "compaction-rename",
  "decision-write",
  "journal-write",
  "checkpoint-write",
  "checkpoint-rename",
];

/** Runs until the fault, if it comes; returns what was begun and acknowledged. */
async function runUntilFault(
  directory: string,
  count: number,
  faults: FaultHook,
  metadata = 0,
  sizes: { segmentBytes?: number } = {},
) {
  let begun = 0;
  let acknowledged = 0;
  let error: unknown = null;
  const progress = {
    begun: (number: number) => {
      begun = number;
    },
    acknowledged: (number: number) => {
      acknowledged = number;
    },
  };
  try {
    await runTransactions({ directory, faults, ...sizes }, count, progress, metadata);
  } catch (caught) {
    error = caught;
  }
  return { begun, acknowledged, error };
}

/** A death behind the decision of a commit is the cause of its unknown outcome. */
function isDeath(error: unknown): boolean {
  return error instanceof SimulatedCrash || (error as Error).cause instanceof SimulatedCrash;
}

/** A hook that fails at the n-th call of a point. */
function failingAt(
  point: StoragePoint,
  call: number,
  fault: (sizeBytes: number) => Error,
): FaultHook {
  let calls = 0;
  return (reached, sizeBytes) => {
    if (reached === point && ++calls === call) throw fault(sizeBytes);
  };
}

for (const point of points) {
  test(`a death at ${point} loses no acknowledged commit and shows no other`, async () => {
    const directory = mkdtempSync(join(root, "point-"));
    let last = 0;
    let deaths = 0;
    for (let call = 1; call <= 40; call = Math.ceil(call * 1.3) + 1) {
      for (const part of [0, 0.5, 1]) {
        const run = await runUntilFault(
          directory,
          8,
          failingAt(point, call, (sizeBytes) => new SimulatedCrash(Math.floor(sizeBytes * part))),
        );
        if (run.error !== null) {
          assert.ok(isDeath(run.error), String(run.error));
          deaths++;
        }
        last = await checkDirectory(directory, run.acknowledged || last, run.begun || last);
      }
    }
    assert.ok(deaths >= 3, `${deaths} deaths`);
  });
}

test("a death while the journal is rewritten loses nothing", async () => {
  for (const point of ["journal-compact", "journal-rename"] as const) {
    const directory = mkdtempSync(join(root, "journal-"));
    const fault = failingAt(point, 1, () => new SimulatedCrash(100));
    // Metadata of 4 KB a commit: the journal is rewritten after a thousand of them.
    const run = await runUntilFault(directory, 1700, fault, 4000, { segmentBytes: 1 << 20 });
    assert.ok(run.error instanceof SimulatedCrash, "the journal was rewritten");
    const last = await checkDirectory(directory, run.acknowledged, run.begun);
    const on = await runUntilFault(directory, 6, () => {});
    assert.equal(on.error, null);
    assert.ok(on.acknowledged > last);
    await checkDirectory(directory, on.acknowledged, on.begun);
  }
});

test("a full disk stops with STORAGE_FULL at any point and loses nothing", async () => {
  const full = () => Object.assign(new Error("no space"), { code: "ENOSPC" });
  for (const point of points) {
    const directory = mkdtempSync(join(root, "full-"));
    let last = 0;
    let stops = 0;
    for (const call of [1, 2, 5, 9, 20, 33]) {
      const run = await runUntilFault(directory, 8, fullFrom(point, call, full));
      if (run.error !== null) {
        const codes = ["STORAGE_FULL", "TRANSACTION_OUTCOME_UNKNOWN"];
        assert.ok(codes.includes((run.error as { code: string }).code), String(run.error));
        stops++;
      }
      await releaseLock(directory);
      last = await checkDirectory(directory, run.acknowledged || last, run.begun || last);
    }
    assert.ok(stops > 0 || point.startsWith("checkpoint"), point);
  }
});

/** From the n-th call of a point on, nothing can be written anywhere. */
function fullFrom(point: StoragePoint, call: number, full: () => Error): FaultHook {
  let calls = 0;
  let isFull = false;
  return (reached, sizeBytes) => {
    if (reached === point && ++calls === call) isFull = true;
    if (isFull && sizeBytes > 0) throw full();
  };
}

/** The broker of the failed run is still there, as its process would be; it is let go of here. */
async function releaseLock(directory: string): Promise<void> {
  rmSync(join(directory, "lock"), { force: true });
}

test("a process that is killed at any moment has exactly its acknowledged commits", async () => {
  const directory = mkdtempSync(join(root, "kill-"));
  let last = 0;
  for (let round = 0; round < 8; round++) {
    const killed = await runAndKill(directory, 5 + round * 7);
    last = await checkDirectory(directory, killed.acknowledged || last, killed.begun || last);
  }
  for (const point of ["decision-write", "marker-write", "segment-write"] as const) {
    const killed = await runAndKill(directory, Number.POSITIVE_INFINITY, point);
    last = await checkDirectory(directory, killed.acknowledged || last, killed.begun || last);
  }
  assert.ok(last > 50, `${last} transactions`);
});

/** Kills the process once it has acknowledged so many, in the midst of what it does then. */
function runAndKill(
  directory: string,
  afterCount: number,
  point = "",
): Promise<{ begun: number; acknowledged: number }> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = new URL(`./crash-process-fixture.${extension}`, import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(script), directory, point, "25"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let count = 0;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    count += chunk.split("a").length - 1;
    if (count >= afterCount) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (_, signal) => {
      assert.equal(signal, "SIGKILL");
      const last = (letter: string) =>
        Number([...text.matchAll(new RegExp(`^${letter}(\\d+)\n`, "gm"))].at(-1)?.[1] ?? 0);
      resolve({ begun: last("b"), acknowledged: last("a") });
    });
  });
}
