/** Offsets `[first, next)` that are about to be written, as they stand in the offset metadata. */
export interface PendingRange {
  readonly first: number;
  readonly next: number;
}

/** `pending FIRST-NEXT`. */
export function pendingText({ first, next }: PendingRange): string {
  return `pending ${first}-${next}`;
}

/** The range that offset metadata names; null when nothing is pending. */
export function pendingRange(metadata: string): PendingRange | null {
  const match = /^pending (\d+)-(\d+)$/.exec(metadata);
  return match ? { first: Number(match[1]), next: Number(match[2]) } : null;
}
