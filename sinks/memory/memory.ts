import { MillraceError } from "../../schemas/errors.ts";
import type { FeatureRow } from "../../schemas/row.ts";
import { deduplicationWindow } from "../offline-insert.ts";
import { type RowBinaryValue, readRowBinary } from "../row-binary-reader.ts";
import type {
  OfflineBlock,
  OfflineStore,
  OfflineTable,
  OnlineEntry,
  OnlineFlush,
  OnlineKey,
  OnlineStore,
  StoredRows,
} from "../store.ts";

/** The offline store of tests: rows in memory, no SQL. */
export interface MemoryOfflineStore extends OfflineStore {
  /** Rows of a table by column, in the order of insertion. */
  rows(table: string): readonly Readonly<Record<string, RowBinaryValue>>[];
}

export function createMemoryOfflineStore(): MemoryOfflineStore {
  return new InMemoryOfflineStore();
}

export function createMemoryOnlineStore(): OnlineStore {
  return new InMemoryOnlineStore();
}

class InMemoryOfflineStore implements MemoryOfflineStore {
  readonly #rows = new Map<string, Record<string, RowBinaryValue>[]>();
  /** By table the last tokens, oldest first. */
  readonly #tokens = new Map<string, Set<string>>();
  readonly #topologies = new Map<string, OfflineStore>();

  of(topology: string): OfflineStore {
    const store = this.#topologies.get(topology) ?? new InMemoryOfflineStore();
    this.#topologies.set(topology, store);
    return store;
  }

  async migrate(tables: readonly OfflineTable[]): Promise<void> {
    for (const { name } of tables) {
      if (!this.#rows.has(name)) this.#rows.set(name, []);
    }
  }

  async insert({ table, rowBinary, token }: OfflineBlock): Promise<void> {
    const rows = this.#rows.get(table.name);
    if (rows === undefined) {
      const reason = `there is no table ${table.name}`;
      throw new MillraceError("OFFLINE_QUERY_FAILED", { code: "60", reason });
    }
    const tokens = this.#tokens.get(table.name) ?? new Set();
    this.#tokens.set(table.name, tokens);
    if (tokens.has(token)) return;
    tokens.add(token);
    for (const oldest of tokens) {
      if (tokens.size <= deduplicationWindow) break;
      tokens.delete(oldest);
    }
    for (const row of readRowBinary(table, rowBinary)) rows.push(row);
  }

  async stored({ name }: OfflineTable, topicId: string): Promise<StoredRows> {
    const own = new Map<number, { next: number; rows: number }>();
    const strange = new Map<number, number>();
    for (const row of this.rows(name)) {
      const [partition, offset] = [Number(row["partition"]), Number(row["offset"])];
      if (row["topic_id"] === topicId) {
        const { next = 0, rows = 0 } = own.get(partition) ?? {};
        own.set(partition, { next: Math.max(next, offset + 1), rows: rows + 1 });
      } else strange.set(partition, (strange.get(partition) ?? 0) + 1);
    }
    return { own, strange };
  }

  rows(table: string): readonly Readonly<Record<string, RowBinaryValue>>[] {
    return this.#rows.get(table) ?? [];
  }

  query<Row>(): Promise<Row[]> {
    return Promise.reject(noSql());
  }

  queryText(): Promise<string> {
    return Promise.reject(noSql());
  }

  queryBytes(): Promise<Buffer> {
    return Promise.reject(noSql());
  }

  queryStream(): Promise<void> {
    return Promise.reject(noSql());
  }

  async close(): Promise<void> {}
}

function noSql(): MillraceError {
  const reason = "the store in memory takes no SQL: use rows(), or chDB";
  return new MillraceError("OFFLINE_QUERY_FAILED", { code: "48", reason });
}

interface StoredRow {
  readonly topicId: string;
  readonly offset: number;
  readonly row: FeatureRow;
}

class InMemoryOnlineStore implements OnlineStore {
  readonly #rows = new Map<string, StoredRow>();
  readonly #progress = new Map<string, Pick<OnlineFlush, "topicId" | "nextOffset" | "progress">>();

  async write(flush: OnlineFlush): Promise<void> {
    const { view, topicId, partition, nextOffset, progress } = flush;
    for (const { entityKey, offset, row } of flush.rows) {
      const key = `${view}\0${entityKey}`;
      const stored = this.#rows.get(key);
      if (stored?.topicId === topicId && stored.offset > offset) continue;
      this.#rows.set(key, { topicId, offset, row: copy(row) });
    }
    const key = `${view}\0${partition}`;
    const stored = this.#progress.get(key);
    if (stored?.topicId === topicId && stored.nextOffset > nextOffset) return;
    const risen = stored?.topicId === topicId ? Math.max(stored.progress, progress) : progress;
    this.#progress.set(key, { topicId, nextOffset, progress: risen });
  }

  async position(view: string, topicId: string, partition: number): Promise<number | null> {
    const stored = this.#progress.get(`${view}\0${partition}`);
    return stored?.topicId === topicId ? stored.nextOffset : null;
  }

  async read(keys: readonly OnlineKey[]): Promise<OnlineEntry[]> {
    return keys.map(({ view, entityKey, partition }) => {
      const stored = this.#rows.get(`${view}\0${entityKey}`);
      return {
        row: stored === undefined ? null : copy(stored.row),
        progress: this.#progress.get(`${view}\0${partition}`)?.progress ?? Number.NEGATIVE_INFINITY,
      };
    });
  }

  async close(): Promise<void> {}
}

function copy(row: FeatureRow): FeatureRow {
  return { ...row, values: row.values.slice() };
}
