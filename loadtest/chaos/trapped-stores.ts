import { randomUUID } from "node:crypto";
import type {
  OfflineBlock,
  OfflineStore,
  OfflineTable,
  OfflineView,
  OnlineEntry,
  OnlineFlush,
  OnlineKey,
  OnlineStore,
  QueryTextOptions,
  StoredRows,
} from "../../sinks/store.ts";
import type { HeldBatch } from "./messages.ts";
import type { TrapGate } from "./trap-gate.ts";

/** Reads that may fail before a write that was held is sent all the same. */
const mostAttempts = 20;

export interface TrappedOnlineOptions {
  /** Whether a write wins whatever is stored. */
  readonly withoutFence: boolean;
  /** Told how a write ended that was held. */
  readonly onWentOn: (error: unknown | null) => void;
}

/** An online store that passes `redis-batch` and `before-write`, writes, and `after-write`. */
export class TrappedOnline implements OnlineStore {
  readonly #inner: OnlineStore;
  readonly #gate: TrapGate;
  readonly #options: TrappedOnlineOptions;

  constructor(inner: OnlineStore, gate: TrapGate, options: TrappedOnlineOptions) {
    this.#inner = inner;
    this.#gate = gate;
    this.#options = options;
  }

  async write(flush: OnlineFlush): Promise<void> {
    const { withoutFence, onWentOn } = this.#options;
    const where = `online ${flush.view}/${flush.partition}`;
    // A flush of progress alone has no row that could be lost or come back.
    const hasRows = flush.rows.length > 0;
    const wasHeld = hasRows && (await this.#gate.pass("redis-batch", where, null, heldIn(flush)));
    if (wasHeld) await this.#answers(flush);
    if (hasRows) await this.#gate.pass("before-write", where, "online");
    // Against a topic of another id every write wins: the fence of the store is gone.
    const topicId = withoutFence ? randomUUID() : flush.topicId;
    try {
      await this.#inner.write({ ...flush, topicId });
      if (wasHeld) onWentOn(null);
    } catch (error) {
      if (wasHeld) onWentOn(error);
      throw error;
    }
    if (hasRows) await this.#gate.pass("after-write", where, "online");
  }

  read(keys: readonly OnlineKey[]): Promise<OnlineEntry[]> {
    return this.#inner.read(keys);
  }
  position(view: string, topicId: string, partition: number): Promise<number | null> {
    return this.#inner.position(view, topicId, partition);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  /** A connection that stood still is given up: what was held shall go over the next one. */
  async #answers({ view, partition, rows }: OnlineFlush): Promise<void> {
    const keys = rows.slice(0, 1).map(({ entityKey }) => ({ view, entityKey, partition }));
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const answered = await this.#inner.read(keys).then(
        () => true,
        () => false,
      );
      if (answered) return;
    }
  }
}

function heldIn({ view, partition, rows }: OnlineFlush): HeldBatch {
  return {
    view,
    partition,
    rows: rows.map(({ entityKey, row }) => ({ entityKey, asOf: row.asOf, seq: row.seq })),
  };
}

/** An offline store that passes `before-write`, inserts, and `after-write`. */
export class TrappedOffline implements OfflineStore {
  readonly #inner: OfflineStore;
  readonly #gate: TrapGate;
  readonly #freshTokens: boolean;

  constructor(inner: OfflineStore, gate: TrapGate, options: { readonly freshTokens: boolean }) {
    this.#inner = inner;
    this.#gate = gate;
    this.#freshTokens = options.freshTokens;
  }

  of(topology: string): OfflineStore {
    const options = { freshTokens: this.#freshTokens };
    return new TrappedOffline(this.#inner.of(topology), this.#gate, options);
  }

  async insert(block: OfflineBlock): Promise<void> {
    const where = `offline ${block.table.name}, ${block.rows} rows`;
    await this.#gate.pass("before-write", where, "offline");
    const token = this.#freshTokens ? randomUUID() : block.token;
    await this.#inner.insert({ ...block, token });
    await this.#gate.pass("after-write", where, "offline");
  }

  migrate(tables: readonly OfflineTable[], views: readonly OfflineView[]): Promise<void> {
    return this.#inner.migrate(tables, views);
  }
  stored(table: OfflineTable, topicId: string): Promise<StoredRows> {
    return this.#inner.stored(table, topicId);
  }
  query<Row>(sql: string): Promise<Row[]> {
    return this.#inner.query<Row>(sql);
  }
  queryText(sql: string, format: string, options?: QueryTextOptions): Promise<string> {
    return this.#inner.queryText(sql, format, options);
  }
  queryBytes(sql: string, format: string, options?: QueryTextOptions): Promise<Buffer> {
    return this.#inner.queryBytes(sql, format, options);
  }
  queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    return this.#inner.queryStream(sql, onChunk);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}
