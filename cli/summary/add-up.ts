import { Outages, type TellOutage } from "../../runtime/hosting/outages.ts";
import { retry } from "../../runtime/retry.ts";

/**
 * Has something read from stores and topics at the end of a run: a server that is away just then is
 * waited for, and told once.
 *
 * @param signal - ends the waiting with the error that is waited for.
 */
export function addUp<T>(read: () => Promise<T>, signal: AbortSignal, tell: TellOutage) {
  const outages = new Outages(tell);
  return retry(read, { signal, tell: (error) => outages.note("the summary", error) });
}
