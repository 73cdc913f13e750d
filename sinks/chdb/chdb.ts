import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";
import { ExactRows } from "../exact-json.ts";
import { insertHead } from "../offline-insert.ts";
import { type MigrationTarget, migrateTables } from "../offline-migration.ts";
import { storedRows } from "../offline-stored.ts";
import { formatName, requireReading, scanStatement } from "../statement.ts";
import type {
  OfflineBlock,
  OfflineStore,
  OfflineTable,
  OfflineView,
  QueryTextOptions,
  StoredRows,
} from "../store.ts";
import { ChdbChild } from "./chdb-child.ts";
import type { ChdbStart } from "./chdb-message.ts";
import { clearSpool, spoolPrefix } from "./chdb-spool.ts";
import { requireChdb } from "./require-chdb.ts";

export interface ChdbOptions {
  /** Where chDB keeps its data. */
  readonly directory: string;
  /** Port of the HTTP front on 127.0.0.1, 0 for any; null: none. @default null */
  readonly httpPort?: number | null;
  /** What all queries together may take, in bytes. @default 2147483648 */
  readonly maxMemoryBytes?: number;
  /** Queries that run at once; more wait. @default 8 */
  readonly maxQueries?: number;
  /** Where blocks wait to be inserted, a folder of its own. */
  readonly spoolDirectory: string;
  /** Bytes of a body sent to the HTTP front, unpacked. @default 268435456 */
  readonly maxBodyBytes?: number;
  /** Database of what belongs to no topology. @default "millrace" */
  readonly database?: string;
}

const defaults = {
  httpPort: null,
  maxMemoryBytes: 2 ** 31,
  maxQueries: 8,
  database: "millrace",
} as const;

/** The offline store as chDB, in a process of its own. */
export interface ChdbStore extends OfflineStore {
  /** Process that holds the engine now; another one after it was killed. */
  readonly pid: number;
  /** e.g. `http://127.0.0.1:8123`; null without an HTTP front. */
  readonly httpAddress: string | null;
  /** Owner-only file with the password of the HTTP front. */
  readonly passwordFile: string;
}

/**
 * Opens chDB in a child process. The child dies with this process; if the child dies, requests
 * under way reject with OFFLINE_UNAVAILABLE and the next one starts another.
 *
 * @throws {MillraceError} PACKAGE_MISSING when chDB is not installed; OFFLINE_START_FAILED when the
 * directory cannot be opened.
 */
export async function openChdb(options: ChdbOptions): Promise<ChdbStore> {
  requireChdb();
  const given = { ...defaults, ...options };
  const start: ChdbStart = {
    directory: resolve(given.directory),
    spoolDirectory: resolve(given.spoolDirectory),
    database: given.database,
    maxMemoryBytes: given.maxMemoryBytes,
    maxQueries: given.maxQueries,
    httpPort: given.httpPort,
    passwordFile: join(resolve(given.spoolDirectory), "password"),
    ...(given.maxBodyBytes === undefined ? {} : { maxBodyBytes: given.maxBodyBytes }),
  };
  await mkdir(start.directory, { recursive: true, mode: 0o700 });
  await mkdir(start.spoolDirectory, { recursive: true, mode: 0o700 });
  const chdb = new ChdbLives(start);
  await chdb.engine();
  await clearSpool(start.spoolDirectory);
  return new WholeChdbStore(chdb);
}

/** The process that holds chDB, and the next one after it was killed. */
class ChdbLives {
  start: ChdbStart;
  #child: Promise<ChdbChild> | null = null;
  #current: ChdbChild | null = null;
  #closed = false;

  constructor(start: ChdbStart) {
    this.start = start;
  }

  get pid(): number {
    return this.#current?.pid ?? 0;
  }

  /** The living child; another one when the last has died, unless it was closed here. */
  async engine(): Promise<ChdbChild> {
    if (this.#closed) {
      const where = this.start.directory;
      throw new MillraceError("OFFLINE_UNAVAILABLE", { where, reason: "it was closed here" });
    }
    if (this.#current?.alive === false) {
      this.#current = null;
      this.#child = null;
    }
    this.#child ??= this.#spawn();
    return this.#child;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#child?.catch(() => null))?.close();
  }

  async #spawn(): Promise<ChdbChild> {
    try {
      const child = await ChdbChild.start(this.start);
      // The next one listens where this one did.
      this.start = { ...this.start, httpPort: child.httpPort };
      this.#current = child;
      return child;
    } catch (error) {
      this.#child = null;
      throw error;
    }
  }
}

/** One database in it. */
class ChdbDatabase implements OfflineStore {
  readonly #chdb: ChdbLives;
  readonly #database: string;
  /** Topology whose it is; null: anybody's. */
  readonly #owner: string | null;

  constructor(chdb: ChdbLives, owner: string | null) {
    this.#chdb = chdb;
    this.#owner = owner;
    this.#database = owner ?? chdb.start.database;
  }

  of(topology: string): OfflineStore {
    return new ChdbDatabase(this.#chdb, topology);
  }

  async migrate(tables: readonly OfflineTable[], views: readonly OfflineView[]): Promise<void> {
    const target = { ...this.#statements(this.#database), database: this.#database };
    const outside = this.#statements(null);
    await migrateTables({ ...target, owner: this.#owner, outside }, tables, views);
  }

  async insert(block: OfflineBlock): Promise<void> {
    const { spoolDirectory } = this.#chdb.start;
    const file = join(spoolDirectory, `${spoolPrefix}${randomUUID()}.rowbinary`);
    try {
      await writeFile(file, block.rowBinary, { mode: 0o600, flag: "wx" });
      const insert = insertHead(this.#database, block);
      await (await this.#chdb.engine()).request({ kind: "insert", insert, file });
    } catch (error) {
      throw isStorageFull(error) ? storageFull(spoolDirectory, error) : error;
    } finally {
      await rm(file, { force: true });
    }
  }

  stored(table: OfflineTable, topicId: string): Promise<StoredRows> {
    return storedRows((sql) => this.query(sql), this.#database, table, topicId);
  }

  query<Row>(sql: string): Promise<Row[]> {
    return this.#statements(this.#database).query<Row>(sql);
  }

  async queryText(sql: string, format: string, options: QueryTextOptions = {}): Promise<string> {
    return (await this.queryBytes(sql, format, options)).toString("utf8");
  }

  async queryBytes(sql: string, format: string, options: QueryTextOptions = {}): Promise<Buffer> {
    const { readOnly = false } = options;
    if (readOnly) requireReading(sql);
    return await this.#bytes(sql, formatName(format), this.#database, readOnly);
  }

  async queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    const child = await this.#chdb.engine();
    const { query } = scanStatement(sql);
    const request = { kind: "stream", sql: query, format: "RowBinary" } as const;
    await child.request({ ...request, database: this.#database }, onChunk);
  }

  /** Closed with the whole. */
  async close(): Promise<void> {}

  /** Statements in a database; null: in one that always stands. */
  #statements(database: string | null): Pick<MigrationTarget, "run" | "query"> {
    return {
      run: async (sql) => void (await this.#bytes(sql, "TSV", database)),
      query: async <Row>(sql: string) => {
        const format = "JSONCompactEachRowWithNamesAndTypes";
        const bytes = await this.#bytes(scanStatement(sql).query, format, database);
        const found = new ExactRows();
        for (const line of bytes.toString("utf8").split("\n")) if (line !== "") found.take(line);
        return found.rows as Row[];
      },
    };
  }

  async #bytes(
    sql: string,
    format: string,
    database: string | null,
    readOnly = false,
  ): Promise<Buffer> {
    const { query, format: own } = scanStatement(sql);
    const request = { kind: "run", sql: query, format: own ?? format, database, readOnly } as const;
    const bytes = await (await this.#chdb.engine()).request(request);
    return Buffer.from(bytes ?? []);
  }
}

class WholeChdbStore extends ChdbDatabase implements ChdbStore {
  readonly #chdb: ChdbLives;

  constructor(chdb: ChdbLives) {
    super(chdb, null);
    this.#chdb = chdb;
  }

  get pid(): number {
    return this.#chdb.pid;
  }

  get passwordFile(): string {
    return this.#chdb.start.passwordFile;
  }

  get httpAddress(): string | null {
    const port = this.#chdb.start.httpPort;
    return port === null ? null : `http://127.0.0.1:${port}`;
  }

  override close(): Promise<void> {
    return this.#chdb.close();
  }
}
