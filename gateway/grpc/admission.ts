import { randomUUID } from "node:crypto";
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { Caller } from "../../runtime/predict/caller.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Gate } from "../gate.ts";
import type { Headers } from "../keys/access.ts";
import type { Scope } from "../keys/api-key.ts";
import { requestIdOf } from "../read-request.ts";
import { refusalOf } from "./refusal.ts";

/** A call that was let in. */
export interface Entry {
  /** Id of the key that asks; null: the gateway has no keys. */
  readonly user: string | null;
  readonly requestId: string;
  readonly caller: Caller;
  /** Has the call count until what is returned is called, and no longer until its end. */
  begin(): () => void;
}

const entries = new WeakMap<Metadata, Entry>();

/** What is known of a call by its metadata. */
export function entryOf(metadata: Metadata): Entry {
  const found = entries.get(metadata);
  if (found === undefined) throw new RangeError("a call came past the admission");
  return found;
}

const requestIdKey = "x-request-id";

/**
 * Lets calls in by their metadata, before any of their message is read, gives them their ids, and
 * measures them.
 *
 * @param scopes - by the path of a method.
 */
export function admission(
  scopes: ReadonlyMap<string, Scope | null>,
  gate: Gate,
): ServerInterceptor {
  const { receiveMs } = gate.limits;
  return ({ path }, call) => {
    const began = performance.now();
    const caller = new Caller();
    let requestId = "";
    let leave = () => {};
    let slow: NodeJS.Timeout | undefined;
    let isOver = false;
    const over = (code: status) => {
      clearTimeout(slow);
      leave();
      caller.leave();
      if (isOver) return;
      isOver = true;
      gate.metrics.answered(path, status[code] ?? "UNKNOWN", performance.now() - began);
    };
    const refused = (error: unknown) => refusalOf(gate.refused(error, requestId, path));
    const admit = (metadata: Metadata): Entry => {
      const scope = scopes.get(path) ?? null;
      const headers = headersOf(metadata, call.getHost());
      const user = scope === null ? null : gate.access.admit(headers, scope);
      const left = gate.enter();
      leave = left;
      slow = setTimeout(() => own.sendStatus(refused(tooSlow(receiveMs))), receiveMs);
      const begin = () => {
        clearTimeout(slow);
        leave = () => {};
        return left;
      };
      return { user, requestId, caller, begin };
    };
    const own: ServerInterceptingCall = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            requestId = requestIdOf(metadata.get(requestIdKey)[0], randomUUID);
            try {
              entries.set(metadata, admit(metadata));
            } catch (error) {
              own.sendStatus(refused(error));
              return;
            }
            pass(metadata);
          },
          // Also after a status that the library sends by itself, as that of a deadline.
          onCancel: () => {
            const isLate = Number(call.getDeadline()) <= Date.now();
            over(isLate ? status.DEADLINE_EXCEEDED : status.CANCELLED);
          },
        }),
      sendMetadata: (metadata, pass) => {
        metadata.set(requestIdKey, requestId);
        pass(metadata);
      },
      sendStatus: (given, pass) => {
        over(given.code ?? status.UNKNOWN);
        const metadata = given.metadata ?? new Metadata();
        metadata.set(requestIdKey, requestId);
        pass({ ...given, metadata });
      },
    });
    return own;
  };
}

function tooSlow(receiveMs: number): MillraceError {
  const reason = `it was not there whole within ${receiveMs} ms`;
  return new MillraceError("REQUEST_INVALID", { where: "request", reason });
}

function headersOf(metadata: Metadata, host: string): Headers {
  const headers: Record<string, string> = { host };
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === "string") headers[name] = value;
  }
  return headers;
}
