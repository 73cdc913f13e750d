import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import {
  type SnapshotEnd,
  type SnapshotPart,
  snapshotFormat,
  snapshotKeys,
} from "../../../schemas/tracking-snapshot.ts";
import type { TrackingFold } from "../fold/tracking-fold.ts";
import { unpackLines } from "./packed-lines.ts";
import { StateReader } from "./state-lines.ts";

/** It is damaged, or of a later format: another may be taken. */
export class SnapshotUnusable extends Error {}

/**
 * The fold as it was at the offset that a snapshot covers.
 *
 * @throws {SnapshotUnusable} saying why.
 * @throws {MillraceError} what the broker says, which is not the snapshot's.
 */
export async function readSnapshot(
  broker: Broker,
  topic: string,
  end: SnapshotEnd,
): Promise<TrackingFold> {
  if (end.format !== snapshotFormat) {
    throw new SnapshotUnusable(
      `a later version of Millrace has written it, in format ${end.format}; this one reads ${snapshotFormat}`,
    );
  }
  const state = new StateReader();
  try {
    const packed = { sha256: end.sha256, bytes: end.stateBytes };
    await unpackLines(piecesOf(broker, topic, end), packed, (line) => state.add(line));
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new SnapshotUnusable((error as Error).message, { cause: error });
  }
  return state.fold();
}

/** Its pieces, in order; parts of others stand between. */
async function* piecesOf(
  broker: Broker,
  topic: string,
  { id, from, parts }: SnapshotEnd,
): AsyncGenerator<Buffer> {
  const [stable = 0] = await broker.listOffsets([{ topic, partition: 0, at: "stable" }]);
  let found = 0;
  for await (const page of committedPages(broker, topic, 0, { from, end: stable })) {
    for (const { key, value } of page) {
      if (value === null || key?.toString("utf8") !== snapshotKeys.part) continue;
      const part = JSON.parse(value.toString("utf8")) as SnapshotPart;
      if (part.id !== id) continue;
      if (part.part !== found) throw new Error(`part ${found} of ${parts} is missing`);
      found++;
      yield Buffer.from(part.data, "base64");
      if (found === parts) return;
    }
  }
  throw new Error(`part ${found} of ${parts} is missing`);
}
