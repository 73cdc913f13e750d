/**
 * The clock of one IANA time zone over a span of years: local wall-clock time to UTC and back.
 *
 * A local time that a clock skipped (spring) is read with the offset in force before the change,
 * so 02:30 becomes 03:30 of summer time; one that came twice (autumn) is the first of the two.
 * This is what `Temporal` calls "compatible". Times are ms; a local time is written as if it were
 * UTC.
 */
export class ZoneClock {
  /** Instants (UTC) from which the offset of the same index + 1 holds. */
  readonly #changes: readonly number[];
  /** Offsets (local − UTC), one more than changes. */
  readonly #offsets: readonly number[];

  constructor(zone: string, from: number, to: number) {
    const offsetAt = offsetsOf(zone);
    const offsets = [offsetAt(from)];
    const changes: number[] = [];
    for (let day = from; day < to; day += dayMs) {
      const after = offsetAt(day + dayMs);
      if (after === offsets.at(-1)) continue;
      changes.push(changeWithin(offsetAt, day, day + dayMs));
      offsets.push(after);
    }
    this.#changes = changes;
    this.#offsets = offsets;
  }

  /** Offset (local − UTC) in ms at an instant. */
  offsetAt(utc: number): number {
    let index = 0;
    while (index < this.#changes.length && utc >= (this.#changes[index] as number)) index++;
    return this.#offsets[index] as number;
  }

  toUtc(local: number): number {
    for (let index = 0; index < this.#changes.length; index++) {
      const utc = local - (this.#offsets[index] as number);
      const change = this.#changes[index] as number;
      if (utc < change) return utc;
      const skippedMs = (this.#offsets[index + 1] as number) - (this.#offsets[index] as number);
      if (skippedMs > 0 && utc < change + skippedMs) return utc;
    }
    return local - (this.#offsets[this.#changes.length] as number);
  }

  toLocal(utc: number): number {
    return utc + this.offsetAt(utc);
  }
}

const dayMs = 86_400_000;

/** First instant in `(low, high]` whose offset is that of `high`, to the millisecond. */
function changeWithin(offsetAt: (utc: number) => number, low: number, high: number): number {
  const after = offsetAt(high);
  let [before, from] = [low, high];
  while (from - before > 1) {
    const middle = Math.floor((before + from) / 2);
    if (offsetAt(middle) === after) from = middle;
    else before = middle;
  }
  return from;
}

function offsetsOf(zone: string): (utc: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (utc) => {
    const part = new Map(format.formatToParts(utc).map(({ type, value }) => [type, Number(value)]));
    const field = (name: Intl.DateTimeFormatPartTypes) => part.get(name) ?? 0;
    const local = Date.UTC(
      field("year"),
      field("month") - 1,
      field("day"),
      field("hour"),
      field("minute"),
      field("second"),
    );
    return local - Math.floor(utc / 1000) * 1000;
  };
}
