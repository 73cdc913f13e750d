/** A heading and what stands under it, indented. */
export function block(heading: string, lines: readonly string[]): string {
  return [heading, ...lines.map((line) => `  ${line.replaceAll("\n", "\n  ")}`)].join("\n");
}

/** Names with commas between them; `-` for none. */
export function list(names: readonly string[]): string {
  return names.length === 0 ? "-" : names.join(", ");
}
