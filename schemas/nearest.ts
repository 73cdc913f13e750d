/** Changes of a letter that still make a name close: one in three, and at most three. */
function closeWithin(length: number): number {
  return Math.min(3, Math.max(1, Math.floor(length / 3)));
}

/**
 * ` (did you mean …?)` where a known name is close, else an empty text: so of a name that is known,
 * with which something else is wrong.
 */
export function nearest(text: string, names: Iterable<string>): string {
  let best = "";
  let least = closeWithin(text.length) + 1;
  for (const name of names) {
    if (name === text) return "";
    const distance = editDistance(text.toLowerCase(), name.toLowerCase());
    if (distance < least) [best, least] = [name, distance];
  }
  return best === "" ? "" : ` (did you mean ${best}?)`;
}

/** @see Wagner and Fischer, The String-to-String Correction Problem, 1974. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    previous = row;
  }
  return previous[b.length] as number;
}
