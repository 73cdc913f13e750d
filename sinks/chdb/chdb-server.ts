/**
 * Entry of a chDB that serves ClickHouse's HTTP interface by itself, for several processes: it
 * belongs to nobody and ends on SIGTERM. Its one argument is that of `chdb-process.ts`.
 */
import { ChdbEngine } from "./chdb-engine.ts";
import { startChdbFront } from "./chdb-front.ts";
import type { ChdbStart } from "./chdb-message.ts";
import { clearSpool } from "./chdb-spool.ts";

// chDB makes its files with the rights that are left to them.
process.umask(0o077);
const start = JSON.parse(process.argv[2] ?? "{}") as ChdbStart & { readonly httpPort: number };
const engine = await ChdbEngine.open(start);
await clearSpool(start.spoolDirectory);
const front = await startChdbFront(engine, {
  port: start.httpPort,
  spoolDirectory: start.spoolDirectory,
  passwordFile: start.passwordFile,
  ...(start.maxBodyBytes === undefined ? {} : { maxBodyBytes: start.maxBodyBytes }),
});

async function stop(): Promise<void> {
  await front.close();
  await engine.endProcess();
}

process.once("SIGTERM", () => void stop());
