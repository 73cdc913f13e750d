import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { GroupPlace } from "../group-place.ts";
import { mayGoOn, retry } from "../retry.ts";
import type { FeedReport } from "./application-spec.ts";

export interface FeedTurnOptions {
  readonly broker: Broker;
  /** Names of the topologies that are fed. */
  readonly topologies: readonly string[];
  /** Its own among all runs of these, and stable over restarts. */
  readonly instanceId: string;
  readonly signal: AbortSignal;
  /** Feeds until all is sent or its signal aborts; begun again it goes on where it ended. */
  readonly feed: (signal: AbortSignal) => Promise<FeedReport>;
}

/**
 * Feeds when it is this run's turn: of several runs of the same topologies, e.g. on two machines,
 * one feeds at a time, and where it ends or dies the next one goes on. Resolves once this run's
 * feed has said all that it has to say, or the signal aborts.
 *
 * @throws {MillraceError} PRODUCER_FENCED where somebody feeds out of turn.
 */
export async function feedInTurn(options: FeedTurnOptions): Promise<FeedReport> {
  const { broker, topologies, instanceId, signal, feed } = options;
  const patiently = { signal, mayPass: mayGoOn };
  const group = `${topologies.join(".")}.feeding`;
  const metadata = Buffer.alloc(0);
  const place = await retry(
    () => GroupPlace.join(broker, { group, metadata, assign: toFirst, instanceId }),
    patiently,
  );
  try {
    for (let fenced = false; !signal.aborted; ) {
      if (place.lost) await retry(() => place.rejoin(), patiently);
      const over = new AbortController();
      place.onLost(() => over.abort());
      const either = AbortSignal.any([signal, over.signal]);
      if (place.assignment.length === 0) {
        await abortionOf(either);
        continue;
      }
      try {
        const report = await feed(either);
        fenced = false;
        if (report.complete) return report;
      } catch (error) {
        if (signal.aborted) throw error;
        // What it waited for when the turn was over is waited for in the next one.
        if (over.signal.aborted && mayGoOn(error)) continue;
        // One that hung hears of it so before its group tells it; the next one has its turn.
        if (!isFence(error) || fenced) throw error;
        fenced = true;
        await retry(() => place.rejoin(), patiently);
      }
    }
    return { sent: {}, sentNow: 0, complete: false };
  } finally {
    await place.leave();
  }
}

/** The turn to one member, the same for everybody who looks. */
function toFirst(members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const ids = [...members.keys()].sort();
  return new Map(ids.map((id, index) => [id, Buffer.from(index === 0 ? "feeds" : "")]));
}

function abortionOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function isFence(error: unknown): boolean {
  return error instanceof MillraceError && error.code === "PRODUCER_FENCED";
}
