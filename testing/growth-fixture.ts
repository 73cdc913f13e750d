/** What repeats itself in a text that is meant to be slow, and what may stand in front. */
export interface Material {
  readonly heads: readonly string[];
  readonly pieces: readonly string[];
}

const marks = [
  ...["(", ")", ";", " ", "\n", "\t", "a", "1", ",", ".", "-", "=", "%", "\0", "{", "}"],
  ...["'", '"', "\\", '\\"'],
];

export const statements: Material = {
  heads: ["", "INSERT INTO t ", "SELECT ", "'", "Code: 1"],
  pieces: [
    ...marks,
    ...["/**/", "/*", "*/", "--\n", "//", "#!", "#"],
    ...["`", "‘", "“", "''", "\\'", "'\\", "$tag$", "$", "$$", "$a"],
    ...["FORMAT ", "INSERT ", "SETTINGS ", "VALUES ", "Code: ", "(version ", "1h", "$1$"],
  ],
};

export const values: Material = {
  heads: ["", '"', '{"n":', '{"list":["', "1.", "1e", "2026-01-01T00:00:00.", "\0\x02", "\x1a"],
  pieces: [
    ...marks,
    ...["[", "]", '{"n":', '"a",', "\\u0041", "\\ud800", "|", "/", "%41", "0", "e", "+", "\r\n"],
    ...["\x01", "\x02a", "\x80", "\xff", "\x12\x04", "\x0a\x01a", "é"],
  ],
};

/** Time on the processor, ms: that of the clock tells of others, too. */
function timeOf(work: () => void): number {
  const before = process.cpuUsage();
  try {
    work();
  } catch {
    // A refusal takes its time, too.
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Time that is worth a look, ms: below, chance says more than the text. */
const floorMs = 30;

/**
 * Whether twice the text takes more than three times the time, measured as four times the text and
 * nine times the time, at the first size at which it is worth a look; the least of some attempts.
 */
export function growsTooFast(
  scan: (text: string) => unknown,
  head: string,
  piece: string,
): boolean {
  for (let chars = 32; chars <= 32_768; chars *= 4) {
    const text = (length: number) => head + piece.repeat(length / piece.length);
    if (timeOf(() => scan(text(chars))) < floorMs) continue;
    const least = (length: number) => {
      const of = text(length);
      return Math.min(...[0, 1, 2, 3].map(() => timeOf(() => scan(of))));
    };
    // Once may be chance: what grows too fast does so at twice the size, too.
    return [chars, 2 * chars].every((length) => least(length) > 9 * least(length / 4));
  }
  return false;
}

/** Of what is made of the material: a text over which a scanner takes too long; null: none. */
export function slowText(scan: (text: string) => unknown, { heads, pieces }: Material) {
  for (const head of heads) {
    for (const piece of pieces) if (growsTooFast(scan, head, piece)) return [head, piece];
  }
  return null;
}
