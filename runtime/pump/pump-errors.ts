import { MillraceError } from "../../schemas/errors.ts";

/** Codes that end ownership: another member has the partitions, or will have. */
const ownershipCodes: ReadonlySet<string> = new Set([
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER",
  "REBALANCE_IN_PROGRESS",
]);

/** Codes that waiting does not mend: what is to be read is gone, closed or of no use. */
const endingCodes: ReadonlySet<string> = new Set([
  "OFFSET_OUT_OF_RANGE",
  "TOPIC_UNKNOWN",
  "BROKER_CLOSED",
  "PUMP_RECORD",
  "PUMP_GAP",
  "OFFLINE_OTHER_TOPIC",
]);

/** Whether a pump has lost its partitions and must join its group again. */
export function endsOwnership(error: unknown): boolean {
  return error instanceof MillraceError && ownershipCodes.has(error.code);
}

/** Whether a pump cannot go on, however often it tries. */
export function endsPump(error: unknown): boolean {
  return error instanceof MillraceError && endingCodes.has(error.code);
}
