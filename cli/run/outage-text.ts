import type { Logger } from "pino";
import type { TellOutage } from "../../runtime/hosting/outages.ts";
import { plainText } from "../../schemas/plain-text.ts";
import type { Progress } from "./progress.ts";

/** What people are told of a server that is away, and (null) when it is there again. */
export function tellOutage(what: string, error: string | null): string {
  return error === null ? `There again: ${what}.` : `Waiting for ${what}: ${plainText(error)}`;
}

/** Tells of outages where people look, and in the log. */
export function tellingOf(progress: Pick<Progress, "say">, log: Logger): TellOutage {
  return (what, error) => {
    log.warn({ what, error }, "outage");
    progress.say(tellOutage(what, error));
  };
}
