/**
 * Where model artifacts stand for every machine of a group: bytes under their sha256, written once
 * and never changed. Drivers: a directory that all of them mount, a bucket of an S3-compatible
 * store, a table of ClickHouse; one conformance suite.
 */
export interface SharedArtifacts {
  /** For people: `directory /srv/models`, `s3://models/fraud`. */
  readonly where: string;
  /** Bytes as they were written, null when there are none; not checked against their name. */
  read(sha256: string): Promise<Buffer | null>;
  /** Resolves once the bytes are there for everybody; writing them again changes nothing. */
  write(sha256: string, bytes: Uint8Array): Promise<void>;
}

/** Artifacts that are larger than this are refused, bytes. */
export const artifactBytesMax = 512 * 1024 * 1024;

/** A name comes from a topic: it must lead to no other place. */
export function checkSha256(sha256: string): void {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new RangeError(`"${sha256}" is not a sha256`);
}
