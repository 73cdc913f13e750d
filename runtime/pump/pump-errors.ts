import { MillraceError, policyOf } from "../../schemas/errors.ts";

/** What a pump moves, and where to. */
interface PumpPlace {
  readonly topic: string;
  readonly sink: string;
}

/** The error of a pump that ends: what nobody has foreseen is a defect, and gets a code here. */
export function pumpError(error: unknown, { topic, sink }: PumpPlace): MillraceError {
  if (error instanceof MillraceError) return error;
  const context = { topic, sink, reason: reasonOf(error) };
  return new MillraceError("PUMP_FAILED", context, { cause: error });
}

/** The error of a record that a sink has not taken: its own where waiting mends it. */
export function recordError(
  error: unknown,
  place: PumpPlace & { readonly partition: number; readonly offset: number },
): unknown {
  if (policyOf(error) === "retry") return error;
  const { topic, sink, partition, offset } = place;
  const context = { topic, sink, partition, offset, reason: reasonOf(error) };
  return new MillraceError("PUMP_RECORD", context, { cause: error });
}

/** Told, never thrown: a write goes on. */
export function pumpSilence({ topic, sink }: PumpPlace, silentMs: number): MillraceError {
  return new MillraceError("PUMP_SILENT", { topic, sink, silentMs });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
