import { join } from "node:path";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import { frontUser } from "../../sinks/chdb/front-password.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import {
  type LocalServerStatus,
  localServerStatus,
  startLocalServers,
  stopLocalServers,
} from "../../stacks/local/local-servers.ts";
import { localServersOf } from "../../stacks/open-stack.ts";
import { exitCodes } from "../exit.ts";
import { table } from "../table.ts";
import { writeOut } from "../write-out.ts";

export interface StackCommandOptions {
  /** JSON instead of text. @default false */
  readonly json?: boolean;
}

/** `millrace stack up`: starts what is down. */
export async function stackUp(
  { config }: ResolvedConfig,
  options: StackCommandOptions,
): Promise<number> {
  if (!options.json) console.log(`Starting the servers in ${config.data}`);
  writeOut(statusText(await startLocalServers(localServersOf(config)), config.data, options));
  return exitCodes.done;
}

/** `millrace stack status`: exits 1 when a server is down or does not answer. */
export async function stackStatus(
  { config }: ResolvedConfig,
  options: StackCommandOptions,
): Promise<number> {
  const status = await localServerStatus(localServersOf(config));
  writeOut(statusText(status, config.data, options));
  return status.every(({ answers }) => answers) ? exitCodes.done : exitCodes.failed;
}

/** `millrace stack down`: stops what is up; the data stay. */
export async function stackDown(
  { config }: ResolvedConfig,
  options: StackCommandOptions,
): Promise<number> {
  const stopped = await stopLocalServers(config.data);
  if (options.json) writeOut(jsonText(stopped));
  else if (stopped.length === 0) writeOut(`No server of ${config.data} is up.`);
  else for (const { title, pid } of stopped) writeOut(`${title} stopped (pid ${pid}).`);
  return exitCodes.done;
}

function statusText(
  status: readonly LocalServerStatus[],
  directory: string,
  options: StackCommandOptions,
): string {
  if (options.json) return jsonText(status);
  const servers = table(
    ["server", "state", "pid", "address"],
    status.map(({ title, up, answers, pid, port }) => [
      title,
      answers ? "up" : up ? "not answering" : "down",
      pid === null ? "-" : String(pid),
      `127.0.0.1:${port}`,
    ]),
  );
  const file = clickHousePasswordFile(join(directory, "clickhouse"));
  return `${servers}\n\nClickHouse: user ${frontUser}, password in ${file}`;
}
