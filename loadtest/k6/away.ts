import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { localServerStatus, startLocalServers } from "../../stacks/local/local-servers.ts";

/** Load before ClickHouse goes: what the run takes by itself is known by then, ms. */
export const beforeMs = 30_000;
/** How long what waits in Kafka may take to be stored after the load, ms. */
const storedMostMs = 600_000;
const lookMs = 500;

/** What was seen while ClickHouse was away. */
export interface Absence {
  readonly awayMs: number;
  /** Most resident memory of the run before, and while it was away, bytes. */
  readonly rssBefore: number;
  readonly rssAway: number;
  /** The same in the time after it came back that was looked at; 0: none was. */
  readonly rssAfter: number;
}

/**
 * Takes ClickHouse away from a run in the midst of a load, and brings it back: its server is killed
 * and started again on its port.
 *
 * @param pid - of the run.
 * @param before - how long the load lasts before, ms. @default beforeMs
 * @param afterMs - how long it is looked at afterwards. @default 0
 */
export async function clickHouseAway(
  data: string,
  pid: number,
  awayMs: number,
  { before = beforeMs, afterMs = 0 }: { readonly before?: number; readonly afterMs?: number } = {},
): Promise<Absence> {
  const rssBefore = await mostResident(pid, before);
  const servers = await localServerStatus({ directory: data });
  const server = servers.find(({ name }) => name === "clickhouse");
  if (server?.pid == null) throw new Error("ClickHouse is not up");
  process.kill(server.pid, "SIGKILL");
  const began = Date.now();
  const rssAway = await mostResident(pid, awayMs);
  await startLocalServers({ directory: data });
  const wasAwayMs = Date.now() - began;
  return { awayMs: wasAwayMs, rssBefore, rssAway, rssAfter: await mostResident(pid, afterMs) };
}

async function mostResident(pid: number, forMs: number): Promise<number> {
  const end = Date.now() + forMs;
  let most = 0;
  while (Date.now() < end) {
    most = Math.max(most, residentBytes(pid));
    await wait(Math.min(lookMs, Math.max(0, end - Date.now())));
  }
  return most;
}

function residentBytes(pid: number): number {
  const [, kib = "0"] =
    /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1_024;
}

/** What ClickHouse has of what a gateway served. */
export interface StoredPredictions {
  readonly rows: number;
  readonly ids: number;
  /** Since it was asked for the first time, ms. */
  readonly afterMs: number;
}

/** Waits until so many served predictions stand in ClickHouse, or no longer. */
export async function storedPredictions(data: string, wanted: number): Promise<StoredPredictions> {
  const began = Date.now();
  for (;;) {
    const text = await asked(data, "count(), uniqExact(flight_id)").catch(() => "");
    const [rows = 0, ids = 0] = text.trim().split("\t").map(Number);
    const afterMs = Date.now() - began;
    if (ids >= wanted || afterMs > storedMostMs) return { rows, ids, afterMs };
    await wait(lookMs);
  }
}

/**
 * Of each served prediction in ClickHouse its id, once all that are wanted stand there, or no
 * longer: others may stand there before them.
 */
export async function storedIds(
  data: string,
  wanted: ReadonlySet<number>,
): Promise<{ readonly ids: number[]; readonly afterMs: number }> {
  const began = Date.now();
  for (let least = wanted.size; ; ) {
    await storedPredictions(data, least);
    const text = (await asked(data, "flight_id")).trim();
    const ids = text === "" ? [] : text.split("\n").map(Number);
    const stored = new Set(ids);
    const missing = [...wanted].filter((id) => !stored.has(id)).length;
    const afterMs = Date.now() - began;
    if (missing === 0 || afterMs > storedMostMs) return { ids, afterMs };
    least = stored.size + missing;
  }
}

/** What columns of the table say, as TSV. */
async function asked(data: string, columns: string): Promise<string> {
  const servers = await localServerStatus({ directory: data });
  const port = servers.find(({ name }) => name === "clickhouse")?.port ?? 0;
  const password = readFileSync(join(data, "clickhouse", "spool", "password"), "utf8").trim();
  const answer = await fetch(`http://127.0.0.1:${port}/?database=flights`, {
    ...{ method: "POST", headers: { "x-clickhouse-key": password } },
    body: `SELECT ${columns} FROM predictions_served FORMAT TSV`,
  });
  if (!answer.ok) throw new Error(`ClickHouse: ${answer.status} ${await answer.text()}`);
  return await answer.text();
}

const mib = 2 ** 20;
/** How much more memory the run may take while ClickHouse is away, bytes. */
export const growthMost = 64 * mib;

/** Why the run did not stand the absence, a line each. @param sent - ids that were answered. */
export function awayFailures(
  { rssBefore, rssAway }: Absence,
  { rows, ids }: StoredPredictions,
  sent: number,
): string[] {
  const growth = rssAway - rssBefore;
  return [
    ...(ids < sent ? [`${sent - ids} of ${sent} served predictions are not in ClickHouse`] : []),
    ...(rows > ids ? [`${rows - ids} served predictions stand in ClickHouse twice`] : []),
    ...(growth > growthMost
      ? [`the run grew by ${Math.round(growth / mib)} MiB while ClickHouse was away`]
      : []),
  ];
}

/** The absence, for the report. */
export function awayLines(
  { awayMs, rssBefore, rssAway }: Absence,
  { ids, afterMs }: StoredPredictions,
  sent: number,
): string[] {
  const memory = [rssBefore, rssAway].map((bytes) => `${Math.round(bytes / mib)} MiB`);
  return [
    `ClickHouse was away for ${Math.round(awayMs / 1_000)} s under load. ${ids} of ${sent} served ` +
      `predictions stand in it, ${(afterMs / 1_000).toFixed(1)} s after the load. The run took ` +
      `${memory[0]} at most before, and ${memory[1]} while it was away (64 MiB more are allowed).`,
  ];
}
