import { durationMs } from "../../../schemas/duration.ts";
import { MillraceError } from "../../../schemas/errors.ts";

/** A hundred years: a time that lies so far ahead is still one in every store. */
const longest = "36500d";

/** What is wrong with a topology, gathered so that all of it is reported together. */
export class Problems {
  /** What is wrong by its line, which says where. */
  private readonly found = new Map<string, string>();
  /** By a name that no layout has, why. */
  private readonly unread = new Map<string, string>();

  /** @param where - the step or value, in the words of the topology. */
  add(where: string, problem: string): void {
    const line = `${where}: ${problem}`;
    this.found.set(line, problem);
  }

  /** Says of a field, where a problem names it or one within it, why nobody has it. */
  explain(path: string, why: string): void {
    this.unread.set(path, why);
  }

  #whyUnread(problem: string): string {
    for (const [, name = ""] of problem.matchAll(/"([^"]*)"/g)) {
      for (const [path, why] of this.unread) {
        if (name === path || name.startsWith(`${path}.`)) return `; ${why}`;
      }
    }
    return "";
  }

  /** Adds the problem unless the rule holds. */
  check(holds: boolean, where: string, problem: string): void {
    if (!holds) this.add(where, problem);
  }

  /** Milliseconds of a duration; with a problem where it is none (NaN) or too long. */
  duration(where: string, what: string, text: string): number {
    try {
      const ms = durationMs(text);
      this.check(ms <= durationMs(longest), where, `${what} "${text}" is longer than ${longest}`);
      return ms;
    } catch {
      this.add(
        where,
        `${what} "${text}" is no duration: write a positive whole number and ms, s, m, h or d`,
      );
      return Number.NaN;
    }
  }

  /** A whole number of at least `least`, else a problem. */
  whole(where: string, what: string, value: number, least: number): void {
    this.check(
      Number.isSafeInteger(value) && value >= least,
      where,
      `${what} is ${value}; it must be a whole number of at least ${least}`,
    );
  }

  /** @throws {MillraceError} TOPOLOGY_INVALID listing all problems, when there are any. */
  throwIfAny(topology: string): void {
    const { size } = this.found;
    if (size === 0) return;
    const lines = [...this.found].map(([line, problem]) => `- ${line}${this.#whyUnread(problem)}`);
    throw new MillraceError("TOPOLOGY_INVALID", {
      topology,
      count: `${size} ${size === 1 ? "problem" : "problems"}`,
      problems: lines.join("\n"),
    });
  }
}
