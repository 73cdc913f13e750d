const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** Milliseconds in the largest unit that says them exactly, e.g. `600000` → `10m`. */
export function durationText(ms: number): string {
  const unit = units.find(([, length]) => ms > 0 && ms % length === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`;
}

/** A heading and what stands under it, indented. */
export function block(heading: string, lines: readonly string[]): string {
  return [heading, ...lines.map((line) => `  ${line.replaceAll("\n", "\n  ")}`)].join("\n");
}

/** Names with commas between them; `-` for none. */
export function list(names: readonly string[]): string {
  return names.length === 0 ? "-" : names.join(", ");
}
