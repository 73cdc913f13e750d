import { murmur2 } from "./murmur2.ts";

/** Buckets that keys fall into: the whole numbers below it. */
export const bucketCount = 2 ** 32;

/** Buckets from `from` on, up to `to`, which is not among them. */
export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** A version that answers in place of the champion, for the keys of its buckets. */
export interface Challenger {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly sha256: string;
  /** Apart from each other, ascending. */
  readonly ranges: readonly BucketRange[];
}

/** A version that scores beside whoever answers. */
export interface Shadow {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly sha256: string;
  /** Of the records, from 0 to 1. */
  readonly share: number;
}

/** Who answers besides the champion of a model. */
export interface ModelRoutes {
  readonly challengers: readonly Challenger[];
  /** In their place, for the records of a segment. */
  readonly segments: Readonly<Record<string, readonly Challenger[]>>;
  readonly shadow: Shadow | null;
}

export const noRoutes: ModelRoutes = Object.freeze({
  challengers: Object.freeze([]),
  segments: Object.freeze({}),
  shadow: null,
});

/**
 * Bucket of a key: Kafka's murmur2 of the UTF-8 bytes of `<salt>/<key>`, as a whole number of 32
 * bits without a sign.
 */
export function bucketOf(salt: string, key: string): number {
  return murmur2(Buffer.from(`${salt}/${key}`, "utf8")) >>> 0;
}

/** Who answers in place of the champion; null: nobody. */
export function challengerOf(
  { challengers, segments }: ModelRoutes,
  bucket: number,
  segment: string | null,
): Challenger | null {
  const own = segment !== null && Object.hasOwn(segments, segment) ? segments[segment] : undefined;
  for (const challenger of own ?? challengers) {
    for (const { from, to } of challenger.ranges) {
      if (bucket >= from && bucket < to) return challenger;
    }
  }
  return null;
}

/** Whether a bucket is in a sample: the lowest ones are. */
export function isSampled(bucket: number, share: number): boolean {
  return bucket < Math.round(share * bucketCount);
}

/** Versions that routes name. */
export function versionsIn(routes: ModelRoutes | null): readonly string[] {
  return namedIn(routes).map(({ version }) => version);
}

/** Challengers and shadow of routes. */
export function namedIn(
  routes: ModelRoutes | null,
): readonly { readonly version: string; readonly sha256: string }[] {
  if (routes === null) return [];
  const { challengers, segments, shadow } = routes;
  const named = [...challengers, ...Object.values(segments).flat()];
  return shadow === null ? named : [...named, shadow];
}

/** Share of the buckets that a challenger has. */
export function shareOf({ ranges }: Pick<Challenger, "ranges">): number {
  return widthOf(ranges) / bucketCount;
}

/** Who is to have which share of the buckets, from 0 to 1. */
export type WantedShare = Pick<Challenger, "version" | "sha256"> & { readonly share: number };

/**
 * Gives challengers their shares. Each keeps the buckets that it has as far as its share goes, and
 * gives up the highest first; what it needs besides are the lowest that nobody has. So a key stays
 * with its challenger while the share of that does not fall, whatever becomes of the others.
 *
 * @param wanted - of shares that are 1 together at most; who is not named loses all.
 */
export function arranged(
  before: readonly Challenger[],
  wanted: readonly WantedShare[],
): readonly Challenger[] {
  const widths = wanted.map(({ share }) => Math.round(share * bucketCount));
  const kept = wanted.map(({ version }, i) => {
    const had = before.find((each) => each.version === version)?.ranges ?? [];
    return lowest(had, widths[i] as number);
  });
  let free = complement(kept.flat());
  return wanted.flatMap(({ version, sha256 }, i): Challenger[] => {
    const own = kept[i] as readonly BucketRange[];
    const more = lowest(free, (widths[i] as number) - widthOf(own));
    free = complement([...complement(free), ...more]);
    const ranges = complement(complement([...own, ...more]));
    return ranges.length === 0 ? [] : [{ version, sha256, ranges }];
  });
}

function widthOf(ranges: readonly BucketRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** The lowest buckets of some ranges that ascend, so many. */
function lowest(ranges: readonly BucketRange[], count: number): readonly BucketRange[] {
  let left = count;
  return ranges.flatMap(({ from, to }) => {
    const end = Math.min(to, from + Math.max(0, left));
    left -= end - from;
    return end > from ? [{ from, to: end }] : [];
  });
}

/** The buckets that are in none of some ranges, ascending. */
function complement(ranges: readonly BucketRange[]): readonly BucketRange[] {
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  const gaps: BucketRange[] = [];
  let at = 0;
  for (const { from, to } of sorted) {
    if (from > at) gaps.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (at < bucketCount) gaps.push({ from: at, to: bucketCount });
  return gaps;
}

/** Who answers besides the champion, a line each. */
export function routesText(routes: ModelRoutes | null): string[] {
  if (routes === null) return [];
  const { challengers, segments, shadow } = routes;
  const shares = (all: readonly Challenger[]) =>
    all.map((each) => `${each.version} ${percent(shareOf(each))}`).join(", ") || "none";
  return [
    `challengers ${shares(challengers)}`,
    ...Object.entries(segments).map(([segment, own]) => `of ${segment} ${shares(own)}`),
    ...(shadow === null ? [] : [`shadow ${shadow.version} ${percent(shadow.share)}`]),
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(4))}%`;
}
