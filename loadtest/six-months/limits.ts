/** What was measured of a run; peaks in bytes, of the first and the second half of its range. */
export interface Measured {
  readonly exit: number | null;
  readonly balanced: boolean;
  readonly seconds: number;
  /** By role: the largest process of it. */
  readonly peaks: ReadonlyMap<string, readonly [first: number, second: number]>;
  /** Largest size of the data directory on the disk, bytes. */
  readonly dataBytes: number;
}

/** The bounds of a run over all six months. */
export const limits = Object.freeze({
  minutes: 60,
  /** Resident memory of one process, by role. */
  residentBytes: Object.freeze({ worker: 1.5e9, chDB: 2e9 }),
  /** Peak of the second half against that of the first. */
  growth: 1.1,
  dataBytes: 30e9,
});

export interface Verdict {
  readonly what: string;
  readonly found: string;
  readonly limit: string;
  readonly holds: boolean;
}

/** One verdict a limit; what was not seen does not hold. */
export function verdictsOf({ exit, balanced, seconds, peaks, dataBytes }: Measured): Verdict[] {
  const found: Verdict[] = [
    {
      what: "ends and balances",
      found: `exit ${exit}, ${balanced ? "balanced" : "not balanced"}`,
      limit: "exit 0, balanced",
      holds: exit === 0 && balanced,
    },
    {
      what: "time",
      found: `${(seconds / 60).toFixed(1)} min`,
      limit: `${limits.minutes} min`,
      holds: seconds < limits.minutes * 60,
    },
  ];
  for (const [role, limitBytes] of Object.entries(limits.residentBytes)) {
    const [first, second] = peaks.get(role) ?? [0, 0];
    const growth = second / first;
    found.push(
      {
        what: `${role}: peak of resident memory, first and second half`,
        found: `${megabytes(first)} and ${megabytes(second)}`,
        limit: megabytes(limitBytes),
        holds: first > 0 && second > 0 && Math.max(first, second) <= limitBytes,
      },
      {
        what: `${role}: second half against first`,
        found: Number.isFinite(growth) ? growth.toFixed(2) : "not seen",
        limit: limits.growth.toFixed(2),
        holds: growth <= limits.growth,
      },
    );
  }
  found.push({
    what: "data directory at its largest",
    found: megabytes(dataBytes),
    limit: megabytes(limits.dataBytes),
    holds: dataBytes > 0 && dataBytes <= limits.dataBytes,
  });
  return found;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString("en-US")} MB`;
}
