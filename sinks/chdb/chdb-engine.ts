import { setTimeout as wait } from "node:timers/promises";
import { Session } from "chdb";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import type { InsertHead } from "../statement.ts";

export interface ChdbEngineOptions {
  /** Where chDB keeps its data; one process at a time. */
  readonly directory: string;
  /** Made if missing; sessions start in it. */
  readonly database: string;
  /** What all queries together may take, in bytes; a soft limit. */
  readonly maxMemoryBytes: number;
  /** Queries that run at once; more wait. Each takes a thread of libuv's pool. */
  readonly maxQueries: number;
}

/** A session that its caller keeps, or the database of a new one; null: of the database made. */
type Place = Session | string | null;

/** Settings of one query by name, set on a session of its own. */
export type QuerySettings = Readonly<Record<string, string | number>>;

/** How long a start waits for a predecessor to give the directory up. */
const lockTimeoutMs = 20_000;

/** How long an end waits for queries under way. */
const endTimeoutMs = 3_000;

/**
 * chDB in this process: every query gets a session of its own, so that no setting outlives it, and
 * at most `maxQueries` run at once. Data comes in through files alone.
 */
export class ChdbEngine {
  readonly #root: Session;
  readonly #options: ChdbEngineOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  private constructor(root: Session, options: ChdbEngineOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** Opens the directory; waits for a dying predecessor to give up its lock. */
  static async open(options: ChdbEngineOptions): Promise<ChdbEngine> {
    const until = Date.now() + lockTimeoutMs;
    for (;;) {
      try {
        const root = new Session(options.directory, {
          connectionArgs: [`--max_server_memory_usage=${options.maxMemoryBytes}`],
        });
        root.query(`CREATE DATABASE IF NOT EXISTS ${quoteName(options.database)}`);
        return new ChdbEngine(root, options);
      } catch (error) {
        if (!/lock/i.test(String(error)) || Date.now() > until) throw error;
        await wait(50);
      }
    }
  }

  /** Result of one statement in the format. */
  run(
    sql: string,
    format: string,
    settings: QuerySettings = {},
    place: Place = null,
  ): Promise<Uint8Array> {
    return this.#withSession(place, settings, async (own) => {
      return (await own.queryAsync(sql, { format })).bytes();
    });
  }

  /** A session keeps temporary tables and settings from query to query; the caller closes it. */
  session(database = this.#options.database): Session {
    const session = new Session(this.#options.directory);
    try {
      session.query(`USE ${quoteName(database)}`);
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  /** The result in chunks, one at a time; the next is computed once `onChunk` has resolved. */
  stream(
    sql: string,
    format: string,
    settings: QuerySettings,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    place: Place = null,
  ): Promise<void> {
    return this.#withSession(place, settings, async (own) => {
      for await (const chunk of own.queryStream(sql, { format })) await onChunk(chunk.raw());
    });
  }

  /** Inserts the rows of a file. @param compression - e.g. `gzip`, "" for none. */
  async insertFile(
    insert: InsertHead,
    file: string,
    compression: string,
    settings: QuerySettings = {},
    session: Session | null = null,
  ): Promise<void> {
    const packed = compression === "" ? "" : ` COMPRESSION ${quoteText(compression)}`;
    const own = insert.settings === "" ? "" : ` SETTINGS ${insert.settings}`;
    const source = `FROM INFILE ${quoteText(file)}${packed}${own}`;
    await this.run(`${insert.into} ${source} FORMAT ${insert.format}`, "TSV", settings, session);
  }

  /** Makes a database the default one of a session. */
  async use(session: Session, database: string): Promise<void> {
    await session.queryAsync(`USE ${quoteName(database)}`);
  }

  /**
   * Ends the process: in order once no query runs, else at once. An exit would wait for a query on
   * a thread of libuv; what was acknowledged is on the disk.
   */
  async endProcess(): Promise<void> {
    const until = Date.now() + endTimeoutMs;
    while (this.#running > 0 && Date.now() < until) await wait(20);
    if (this.#running > 0) process.kill(process.pid, "SIGKILL");
    this.#root.close();
    process.exit(0);
  }

  /** Runs `work` on the session given, or on one of its own, once there is room. */
  async #withSession<T>(
    place: Place,
    settings: QuerySettings,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    await this.#enter();
    try {
      const isKept = place instanceof Session;
      const session = isKept ? place : this.session(place ?? undefined);
      try {
        const all = {
          async_insert: 0,
          ...settings,
          // Whoever asks may ask for less than all.
          max_memory_usage: Math.min(
            Number(settings["max_memory_usage"]) || Number.POSITIVE_INFINITY,
            this.#options.maxMemoryBytes,
          ),
        };
        const list = Object.entries(all).map(([name, value]) => {
          return `${quoteName(name)} = ${typeof value === "number" ? value : quoteText(value)}`;
        });
        session.query(`SET ${list.join(", ")}`);
        return await work(session);
      } finally {
        if (!isKept) session.close();
        else resetSettings(session, settings);
      }
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running >= this.#options.maxQueries) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return;
    }
    this.#running += 1;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running -= 1;
  }
}

/** What was set for one query must not reach the next one of a kept session. */
function resetSettings(session: Session, settings: QuerySettings): void {
  const names = Object.keys(settings).filter((name) => !name.startsWith("param_"));
  if (names.length === 0) return;
  try {
    session.query(`SET ${names.map((name) => `${quoteName(name)} = DEFAULT`).join(", ")}`);
  } catch {
    // A name that the engine does not know was refused when it was set.
  }
}
