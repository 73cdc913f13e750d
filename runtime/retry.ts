import { setTimeout as sleep } from "node:timers/promises";
import { MillraceError, policyOf } from "../schemas/errors.ts";

/** Waits between tries, ms: doubled from the first to the most. */
export const pauseMs = Object.freeze({ first: 100, most: 5_000 });

/** Whether what failed is mended by waiting: a server that is away, or busy, comes back. */
export function passes(error: unknown): boolean {
  return policyOf(error) === "retry";
}

/**
 * Whether work that goes on where it stands may be begun again: the outcome of its last transaction
 * was not to be learnt, or a server is away.
 */
export function mayGoOn(error: unknown): boolean {
  const isUnknown = error instanceof MillraceError && error.code === "TRANSACTION_OUTCOME_UNKNOWN";
  return isUnknown || passes(error);
}

/** Whether a start may be tried again: servers are away, and none refuses. */
export function mayStart(error: unknown): boolean {
  const isAway = error instanceof MillraceError && error.code === "STACK_UNREACHABLE";
  return isAway ? error.context["mayPass"] === true : mayGoOn(error);
}

export interface RetryOptions {
  /** Ends the waiting with the error waited for. @default never */
  readonly signal?: AbortSignal;
  /** Told of each failure, and (null) when the waiting is over. @default nobody */
  readonly tell?: (error: unknown | null) => void;
  /** Whether to try again. @default {@link passes} */
  readonly mayPass?: (error: unknown) => boolean;
}

/** Repeats an attempt for as long as what it fails with may pass. */
export async function retry<T>(
  attempt: () => Promise<T>,
  { signal, tell = () => {}, mayPass = passes }: RetryOptions = {},
): Promise<T> {
  let waited = false;
  try {
    for (let pause: number = pauseMs.first; ; pause = Math.min(pauseMs.most, 2 * pause)) {
      try {
        return await attempt();
      } catch (error) {
        if (!mayPass(error) || signal?.aborted) throw error;
        tell(error);
        waited = true;
        await sleep(pause, null, signal && { signal }).catch(() => {});
        if (signal?.aborted) throw error;
      }
    }
  } finally {
    if (waited) tell(null);
  }
}
