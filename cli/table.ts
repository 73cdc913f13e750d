import { plainText } from "../schemas/plain-text.ts";

/** Rows as columns of text; columns that hold numbers alone stand to the right. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  // Keys and reasons hold whatever a producer wrote.
  const rows = lines.map((cells) => cells.map(plainText));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const isNumber = header.map((_, column) =>
    rows.every((row) => /^(-|[-\d.,]+ ?%?)$/.test(row[column] ?? "-")),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] as number;
        return isNumber[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(header), ...rows.map(line)].join("\n");
}
