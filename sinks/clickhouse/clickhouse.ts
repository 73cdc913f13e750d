import { Readable } from "node:stream";
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from "@clickhouse/client";
import { MillraceError } from "../../schemas/errors.ts";
import { ExactRows } from "../exact-json.ts";
import { offlineQueryError } from "../offline-error.ts";
import { insertHead } from "../offline-insert.ts";
import { migrateTables } from "../offline-migration.ts";
import { storedRows } from "../offline-stored.ts";
import { formatName, readOnlySettings, requireReading, scanStatement } from "../statement.ts";
import type {
  OfflineBlock,
  OfflineStore,
  OfflineTable,
  OfflineView,
  QueryTextOptions,
  StoredRows,
} from "../store.ts";
import { passOn } from "./clickhouse-stream.ts";

export interface ClickHouseOptions {
  /** e.g. `https://clickhouse.example:8443`. */
  readonly url: string;
  /** @default "default" */
  readonly user?: string;
  /** @default "" */
  readonly password?: string;
  /** Database of what belongs to no topology. @default "millrace" */
  readonly database?: string;
  /** Database of a topology, `{topology}` in it its name. @default "{topology}" */
  readonly topologyDatabase?: string;
  /** Certificates for https, PEM. @default those that Node trusts, no client certificate */
  readonly tls?: {
    readonly ca: Buffer;
    readonly cert?: Buffer;
    readonly key?: Buffer;
  };
  /** Longest wait for an answer, ms. @default 300000 */
  readonly requestTimeoutMs?: number;
}

const defaults = {
  user: "default",
  password: "",
  database: "millrace",
  topologyDatabase: "{topology}",
  requestTimeoutMs: 300_000,
} as const;

/** ClickHouse codes of a login or of a right that is missing. */
const refusals: ReadonlySet<string> = new Set([
  "192", // UNKNOWN_USER
  "193", // WRONG_PASSWORD
  "194", // REQUIRED_PASSWORD
  "195", // IP_ADDRESS_NOT_ALLOWED
  "497", // ACCESS_DENIED
  "516", // AUTHENTICATION_FAILED
]);

/** Numbers stay numbers, and NaN is null, as in every driver. */
const querySettings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
} as const;

/** The offline store on a ClickHouse server, over its HTTP interface. Connects on first use. */
export function openClickHouse(options: ClickHouseOptions): OfflineStore {
  return new ClickHouseStore({ ...defaults, ...options }, null, null);
}

type ClickHouseConnection = Required<Omit<ClickHouseOptions, "tls">> & ClickHouseOptions;

class ClickHouseStore implements OfflineStore {
  readonly #client: ClickHouseClient;
  /** In no database of ours, to make it: a server refuses to work in one that is missing. */
  readonly #outside: ClickHouseClient;
  readonly #given: ClickHouseConnection;
  readonly #database: string;
  readonly #owner: string | null;
  readonly #where: string;
  readonly #topologies = new Map<string, ClickHouseStore>();

  /** @param outside - the client of the store that this one is a part of; null: it is whole. */
  constructor(given: ClickHouseConnection, owner: string | null, outside: ClickHouseClient | null) {
    this.#given = given;
    this.#owner = owner;
    this.#database = given.database;
    this.#where = new URL(given.url).origin;
    const settings = {
      url: given.url,
      username: given.user,
      password: given.password,
      request_timeout: given.requestTimeoutMs,
      // Every failure reaches the caller, who says it once.
      log: { level: ClickHouseLogLevel.OFF },
      // A socket that the server has closed would cost an error; ours are closed before.
      keep_alive: { enabled: true, idle_socket_ttl: 2_000 },
      ...(given.tls === undefined ? {} : { tls: tlsOf(given.tls) }),
    };
    this.#outside = outside ?? createClient(settings);
    this.#client = createClient({ ...settings, database: given.database });
  }

  of(topology: string): OfflineStore {
    const known = this.#topologies.get(topology);
    if (known !== undefined) return known;
    const database = this.#given.topologyDatabase.replaceAll("{topology}", topology);
    const store = new ClickHouseStore({ ...this.#given, database }, topology, this.#outside);
    this.#topologies.set(topology, store);
    return store;
  }

  async migrate(tables: readonly OfflineTable[], views: readonly OfflineView[]): Promise<void> {
    const on = (client: ClickHouseClient) => ({
      run: (sql: string) => this.#ask(async () => void (await client.command({ query: sql }))),
      query: <Row>(sql: string) => this.#query<Row>(client, sql),
    });
    const own = { database: this.#database, owner: this.#owner };
    const target = { ...own, ...on(this.#client), outside: on(this.#outside) };
    await migrateTables(target, tables, views);
  }

  async insert(block: OfflineBlock): Promise<void> {
    const { into, settings, format } = insertHead(this.#database, block);
    await this.#ask(async () => {
      const { stream } = await this.#client.exec({
        query: `${into} SETTINGS ${settings} FORMAT ${format}`,
        values: Readable.from([block.rowBinary], { objectMode: false }),
      });
      for await (const _ of stream) {
        // Read to its end, or the socket stays taken.
      }
    });
  }

  stored(table: OfflineTable, topicId: string): Promise<StoredRows> {
    return storedRows((sql) => this.query(sql), this.#database, table, topicId);
  }

  query<Row>(sql: string): Promise<Row[]> {
    return this.#query<Row>(this.#client, sql);
  }

  async #query<Row>(client: ClickHouseClient, sql: string): Promise<Row[]> {
    const { query } = scanStatement(sql);
    return this.#ask(async () => {
      const result = await client.query({
        query,
        format: "JSONCompactEachRowWithNamesAndTypes",
        clickhouse_settings: querySettings,
      });
      const found = new ExactRows();
      for await (const rows of result.stream()) {
        for (const { text } of rows) found.take(text);
      }
      return found.rows as Row[];
    });
  }

  async queryText(sql: string, format: string, options: QueryTextOptions = {}): Promise<string> {
    return (await this.queryBytes(sql, format, options)).toString("utf8");
  }

  async queryBytes(sql: string, format: string, options: QueryTextOptions = {}): Promise<Buffer> {
    const { readOnly = false } = options;
    if (readOnly) requireReading(sql);
    const scanned = scanStatement(sql);
    const query = `${scanned.query}\nFORMAT ${formatName(scanned.format ?? format)}`;
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer) => chunks.push(chunk);
    await this.#stream(
      query,
      take,
      readOnly ? { readonly: String(readOnlySettings.readonly) } : {},
    );
    return Buffer.concat(chunks);
  }

  async queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    await this.#stream(`${scanStatement(sql).query}\nFORMAT RowBinary`, onChunk);
  }

  /** What is a part of another store is closed with it. */
  async close(): Promise<void> {
    if (this.#owner !== null) return;
    const parts = [...this.#topologies.values()];
    await Promise.all([this, ...parts].map((store) => store.#client.close()));
    await this.#outside.close();
  }

  #stream(
    query: string,
    onChunk: (chunk: Buffer) => void,
    settings: ClickHouseSettings = {},
  ): Promise<void> {
    return this.#ask(async () => {
      const { stream, response_headers } = await this.#client.exec({
        query,
        clickhouse_settings: { ...querySettings, ...settings },
      });
      await passOn(stream, response_headers, onChunk);
    });
  }

  /** Tells what the server refused from a server that does not answer. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      if (error instanceof ClickHouseError && refusals.has(error.code)) {
        const reason = `Code: ${error.code}. ${error.message.trim()}`;
        throw new MillraceError("OFFLINE_REFUSED", { where: this.#where, reason });
      }
      if (error instanceof ClickHouseError) {
        throw offlineQueryError(`Code: ${error.code}. ${error.message}`, error);
      }
      const reason = reasonOf(error);
      throw new MillraceError(
        "OFFLINE_UNAVAILABLE",
        { where: this.#where, reason },
        { cause: error },
      );
    }
  }
}

/** Errors of several addresses have a code alone, and one for an empty answer has nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || "what answers there is no ClickHouse";
}

function tlsOf({ ca, cert, key }: NonNullable<ClickHouseOptions["tls"]>) {
  return cert !== undefined && key !== undefined ? { ca_cert: ca, cert, key } : { ca_cert: ca };
}
