import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "millrace-telemetry-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const program = fileURLToPath(new URL("./scoring-process-fixture.js", import.meta.url));

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

test("scoring writes nothing to home or temporary folder, and opens no connection", {
  skip: platform() === "linux" ? false : "sockets are read from /proc",
  timeout: 60_000,
}, async () => {
  const [home, temporary, data] = ["home", "tmp", "data"].map((name) => join(folder, name));
  for (const each of [home, temporary, data]) mkdirSync(each ?? "");
  const child = spawn(process.execPath, [program, data ?? ""], {
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
  const files = [home, temporary].flatMap((each) =>
    readdirSync(each ?? "", { recursive: true, encoding: "utf8" }),
  );
  assert.deepEqual(files, []);
});
