/** Version of {@link SnapshotEnd} and of the lines that its parts hold. */
export const snapshotFormat = 1;

/** Keys of the records of snapshots; a command's record has its id as key. */
export const snapshotKeys = Object.freeze({ part: "snapshot.part", end: "snapshot" });

/** A piece of a snapshot, in the log that it is of; those of one snapshot stand in their order. */
export interface SnapshotPart {
  readonly kind: "snapshot.part";
  /** Of the snapshot. */
  readonly id: string;
  /** From 0. */
  readonly part: number;
  /** Base64 of a piece of the gzip of all lines. */
  readonly data: string;
}

/** Says that a snapshot stands in the log whole: written behind its last part. */
export interface SnapshotEnd {
  readonly kind: "snapshot";
  readonly id: string;
  /** UTC ms. */
  readonly at: number;
  readonly format: number;
  /** Offset below which all commands are in it; its parts stand behind. */
  readonly covers: number;
  /** Offset of its first part. */
  readonly from: number;
  readonly parts: number;
  /** Of the pieces one after the other. */
  readonly sha256: string;
  /** Of its lines, bytes of UTF-8. */
  readonly stateBytes: number;
  /** Of all commands that it covers, since the topic began, bytes. */
  readonly logBytes: number;
}
