/** What people are told of a server that is away, and (null) when it is there again. */
export function tellOutage(what: string, error: string | null): string {
  return error === null ? `There again: ${what}.` : `Waiting for ${what}: ${error}`;
}
