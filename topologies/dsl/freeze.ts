/** Freezes a value and all that it holds, in place, and returns it. */
export function freezeDeeply<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  // No short cut for what is frozen already: somebody may have frozen its surface only.
  Object.freeze(value);
  for (const part of Object.values(value)) freezeDeeply(part);
  return value;
}
