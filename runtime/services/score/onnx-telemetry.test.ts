import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "millrace-telemetry-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const programs = {
  scoring: "./scoring-process-fixture.js",
  training: "../train/training-process-fixture.js",
};

/** Sockets of a process that are of the network, TCP or UDP. */
function networkSockets(pid: number): string[] {
  const numbers = new Set<string>();
  for (const table of ["tcp", "udp", "tcp6", "udp6"]) {
    const lines = readFileSync(`/proc/net/${table}`, "utf8").split("\n").slice(1);
    for (const line of lines) numbers.add(line.trim().split(/\s+/)[9] ?? "");
  }
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const [, number = ""] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
    return number !== "" && numbers.has(number) ? [number] : [];
  });
}

for (const [what, file] of Object.entries(programs)) {
  test(`${what} writes nothing to home or temporary folder, follows no link there, opens no connection`, {
    skip: platform() === "linux" ? false : "sockets are read from /proc",
    timeout: 60_000,
  }, async () => {
    const [home = "", temporary = "", data = ""] = ["home", "tmp", "data"].map((name) =>
      join(folder, what, name),
    );
    for (const each of [home, temporary, data]) mkdirSync(each, { recursive: true });
    const planted = join(folder, what, "of-somebody-else");
    writeFileSync(planted, "kept");
    // The log that would be written has the number of the process, which exec keeps.
    const link = 'ln -s "$0" "$TMPDIR/mat-debug-$$.log" && exec "$@"';
    const program = fileURLToPath(new URL(file, import.meta.url));
    const child = spawn("/bin/sh", ["-c", link, planted, process.execPath, program, data], {
      env: { HOME: home, TMPDIR: temporary, PATH: process.env["PATH"] },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const seen = new Set<string>();
    const look = setInterval(() => {
      try {
        for (const socket of networkSockets(child.pid ?? 0)) seen.add(socket);
      } catch {
        // It has ended, or closed what was being looked at.
      }
    }, 5);
    const code = await new Promise((resolve) => child.once("exit", resolve));
    clearInterval(look);
    assert.equal(code, 0);
    assert.deepEqual([...seen], []);
    assert.deepEqual(readdirSync(home, { recursive: true }), []);
    assert.deepEqual(readdirSync(temporary), [`mat-debug-${child.pid}.log`]);
    assert.equal(readFileSync(planted, "utf8"), "kept");
  });
}
