import { MillraceError } from "../../schemas/errors.ts";

/** Told what is waited for and why, once, and (null) once when it is there again. */
export type TellOutage = (what: string, error: string | null) => void;

/** Which server an error is about, by the beginning of its code. */
const servers: readonly (readonly [string, string])[] = [
  ["BROKER_", "Kafka"],
  ["OFFSETS_", "Kafka"],
  ["REGISTRY_", "the schema registry"],
  ["ONLINE_", "the online store"],
  ["OFFLINE_UNAVAILABLE", "the offline store"],
  ["OFFLINE_REFUSED", "the offline store"],
  ["ARTIFACTS_", "the store of model artifacts"],
];

/**
 * What a process waits for now. A server that is away is met by many at once, each of which waits
 * and tries again: it is told once, when the first of them begins to wait, and once when the last
 * has gone on.
 */
export class Outages {
  readonly #tell: TellOutage;
  readonly #whatOf = new Map<string, string>();

  constructor(tell: TellOutage = () => {}) {
    this.#tell = tell;
  }

  /** What is waited for; empty: the process can do its work. */
  get waitingFor(): readonly string[] {
    return [...new Set(this.#whatOf.values())].sort();
  }

  /**
   * `who` waits because of an error, or (null) goes on.
   *
   * @param who - for people, where the error is not about a server, e.g. `offline of payments`.
   */
  note(who: string, error: unknown | null): void {
    if (error === null) this.end(who);
    else this.begin(who, serverOf(error) ?? who, String(error));
  }

  begin(who: string, what: string, error: string): void {
    const before = this.#whatOf.get(who);
    if (before === what) return;
    const isNew = !this.#isWaitedFor(what);
    this.#whatOf.set(who, what);
    if (before !== undefined) this.#endIfLast(before);
    if (isNew) this.#tell(what, error);
  }

  end(who: string): void {
    const what = this.#whatOf.get(who);
    this.#whatOf.delete(who);
    if (what !== undefined) this.#endIfLast(what);
  }

  /** All whose names begin so go on, or are gone. */
  endAll(prefix: string): void {
    for (const who of [...this.#whatOf.keys()]) if (who.startsWith(prefix)) this.end(who);
  }

  #endIfLast(what: string): void {
    if (!this.#isWaitedFor(what)) this.#tell(what, null);
  }

  #isWaitedFor(what: string): boolean {
    return [...this.#whatOf.values()].includes(what);
  }
}

/** Null: it is not about a server. */
function serverOf(error: unknown): string | null {
  if (!(error instanceof MillraceError)) return null;
  return servers.find(([prefix]) => error.code.startsWith(prefix))?.[1] ?? null;
}
