import { DirectoryLock } from "../../broker/embedded/directory-lock.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import {
  localServerStatus,
  startLocalServers,
  stopLocalServers,
} from "../../stacks/local/local-servers.ts";
import { loopbackAccess } from "../../stacks/open-servers.ts";
import { flightsApp, RunProcess } from "../run-process.ts";

/** What is put under load: servers of a data directory, and flights that run live on them. */
export interface UnderTest {
  /** Addresses, as the settings of a script name them. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether the run was started here: what ran before is left as it is. */
  readonly isOwn: boolean;
  /** Its process, where it is started here and alone. */
  readonly pid: number | null;
  /** Stops what was started here, and nothing else; resolves to what the run printed. */
  stop(): Promise<string>;
}

export interface UnderTestOptions {
  /** Module of the flights. @default as they come with Millrace */
  readonly app?: string;
  /** Data directory of the local stack. */
  readonly data: string;
  /** Whether its servers take the ports used before, or the default ones, and not free ones. */
  readonly usualPorts: boolean;
  readonly workers: number;
  /** Flags of the run besides those that it needs. */
  readonly runFlags: readonly string[];
  /** Whether the script asks a gateway: the run serves one beside itself. */
  readonly gateway: boolean;
  /** After this time the run ends by itself, whatever becomes of the load test, ms. */
  readonly mostMs: number;
  readonly say: (line: string) => void;
}

/** How long a run may take until all its tasks are restored, ms. */
const startMs = 180_000;
/** How long a run may take to stop before it is killed, ms. */
const stopMs = 60_000;

/**
 * Starts what is missing: the servers of the directory that are down, and a run unless one holds
 * the directory already.
 */
export async function startMissing(options: UnderTestOptions): Promise<UnderTest> {
  const { data, say, usualPorts } = options;
  const before = await localServerStatus({ directory: data });
  const wasUp = before.some(({ up }) => up);
  const stopServers = async () => {
    if (!wasUp) await stopLocalServers(data);
  };
  try {
    say(wasUp ? `Servers of ${data}` : `Starting servers in ${data}`);
    const servers = await startServers(data, usualPorts || wasUp);
    const [port = 0] = options.gateway ? await freePorts(1) : [];
    const run = isHeld(data) ? null : await startRun(options, port);
    const gateway = run !== null && port > 0 ? { GATEWAY: `http://127.0.0.1:${port}` } : {};
    const settings = { ...servers, ...gateway };
    say(run === null ? "The run that holds the directory is put under load" : "Flights run live");
    const stop = async () => {
      if (run !== null) await stopRun(run);
      await stopServers();
      return wasUp ? (run?.output ?? "") : withoutServers(run?.output ?? "");
    };
    return { settings, isOwn: run !== null, pid: run?.workers.get("0") ?? null, stop };
  } catch (error) {
    await stopServers();
    throw error;
  }
}

/** What a run printed, without what it says of servers that do not outlive it. */
export function withoutServers(printed: string): string {
  return printed.replace(/^servers .*\n?/gm, "");
}

async function startServers(directory: string, usualPorts: boolean) {
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = usualPorts ? [] : await freePorts(4);
  const ports = { kafka, registry, redis, clickhouse };
  const servers = await startLocalServers(usualPorts ? { directory } : { directory, ports });
  const portOf = (name: string) => servers.find((each) => each.name === name)?.port ?? 0;
  const access = loopbackAccess({
    ...{ kafka: portOf("kafka"), registry: portOf("registry") },
    ...{ redis: portOf("redis"), clickhouse: portOf("clickhouse") },
  });
  return { BROKERS: access.kafka.brokers.join(","), REGISTRY: access.registry.url };
}

/** Whether a run holds the directory. */
function isHeld(directory: string): boolean {
  try {
    DirectoryLock.checkFree(directory);
    return false;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "DATA_LOCKED") return true;
    throw error;
  }
}

/** @param port - of the gateway; 0: none. */
async function startRun(
  { app = flightsApp, data, workers, runFlags, mostMs }: UnderTestOptions,
  port: number,
) {
  const flags = [
    ...["--live", "--stack", "local", "--data", data, "--for", `${mostMs}ms`],
    ...(workers === 1 ? [] : ["--workers", String(workers)]),
    ...["--metrics", "off"],
    ...(port > 0 ? ["--listen", `127.0.0.1:${port}`] : []),
    ...runFlags,
  ];
  const run = new RunProcess(flags, app);
  const late = setTimeout(() => run.signal("SIGKILL"), startMs);
  try {
    await run.saw(/tasks restored/);
    for (let worker = 0; workers > 1 && worker < workers; worker++) {
      await run.saw(new RegExp(`"worker":"${worker}"[^\\n]*tasks restored`));
    }
    if (port > 0) await run.saw(/^gateway +http/m);
    return run;
  } catch (error) {
    run.signal("SIGKILL");
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function stopRun(run: RunProcess): Promise<void> {
  run.signal("SIGTERM");
  const late = setTimeout(() => run.signal("SIGKILL"), stopMs);
  await run.ended;
  clearTimeout(late);
}
