import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import type { TopicSettings } from "../broker.ts";
import {
  type BrokerEntry,
  BrokerState,
  type DecidedPart,
  type TopicEntry,
} from "./broker-state.ts";
import { compactLog } from "./compaction.ts";
import { FileSegment } from "./file-segment.ts";
import { Journal } from "./journal.ts";
import {
  type Checkpoints,
  findLog,
  partitionDirectory,
  readCheckpoints,
  removeDeletedTopics,
  writeCheckpoints,
} from "./log-files.ts";
import type { LogSegment } from "./log-segment.ts";
import { MemorySegment } from "./memory-segment.ts";
import { type LogCheckpoint, type LogState, PartitionLog } from "./partition-log.ts";
import type { Storage, StoragePoint } from "./storage.ts";
import { TailCache } from "./tail-cache.ts";
import { checkSame, checkTopic, type LogConfig, logConfig } from "./topic-config.ts";

/** Bytes appended to all logs between two checkpoints: a restart after a crash reads as many. */
const checkpointBytes = 64 * 1024 * 1024;
/** A compacted topic's partition is compacted when it has doubled since, and grown by this. */
const compactionBytes = 1024 * 1024;
/** In memory a segment is one buffer. */
const memorySegmentBytes = 1024 * 1024;
const nothingDecided: ReadonlyMap<number, DecidedPart> = new Map();

export interface Topic {
  readonly entry: TopicEntry;
  readonly config: LogConfig;
  readonly logs: readonly PartitionLog[];
}

export interface LogStoreOptions {
  /** null: everything in memory. */
  readonly storage: Storage | null;
  readonly segmentBytes: number;
  readonly cacheBytes: number;
  readonly now: () => number;
  readonly onChange: (log: PartitionLog) => void;
}

/** The topics of an embedded broker with their logs, and the journal of everything else. */
export class LogStore {
  readonly state = new BrokerState();
  readonly cache: TailCache;
  readonly #options: LogStoreOptions;
  readonly #storage: Storage | null;
  readonly #journal: Journal<BrokerEntry> | null;
  readonly #topics = new Map<string, Topic>();
  readonly #compactedBytes = new Map<PartitionLog, number>();
  #sinceCheckpoint = 0;

  /** Opens what there is; finishes decided transactions and aborts the others. */
  constructor(options: LogStoreOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.cache = new TailCache(options.cacheBytes);
    const { storage } = options;
    this.#journal =
      storage === null ? null : new Journal(storage, join(storage.directory, "journal"));
    if (storage !== null) this.#recover(storage);
  }

  get topics(): ReadonlyMap<string, Topic> {
    return this.#topics;
  }

  get journalBytes(): number {
    return this.#journal?.sizeBytes ?? 0;
  }

  /** Writes an entry down and applies it, or throws and changes nothing. */
  record(point: StoragePoint, entry: BrokerEntry): void {
    if (this.#journal !== null) {
      if (this.#journal.wantsCompaction) this.#compactJournal();
      this.#journal.append(point, entry);
    }
    this.state.apply(entry);
  }

  /** @throws {MillraceError} TOPIC_UNKNOWN. */
  log(topic: string, partition: number): { found: Topic; log: PartitionLog } {
    const found = this.#topics.get(topic);
    const log = found?.logs[partition];
    if (found === undefined || log === undefined) {
      throw new MillraceError("TOPIC_UNKNOWN", { topic, partition });
    }
    return { found, log };
  }

  /** @throws {MillraceError} TOPIC_INVALID, TOPIC_MISMATCH. */
  create(settings: readonly TopicSettings[]): void {
    for (const each of settings) {
      checkTopic(each);
      const existing = this.#topics.get(each.name);
      if (existing !== undefined) checkSame(existing.entry, each);
    }
    for (const { name, partitions, config } of settings) {
      if (this.#topics.has(name)) continue;
      const entry: TopicEntry = {
        number: this.state.nextTopicNumber,
        id: randomUUID(),
        name,
        partitions,
        config: { ...config },
      };
      this.record("journal-write", { kind: "topic", topic: entry });
      this.#openTopic(entry, {});
    }
  }

  /** @throws {MillraceError} TOPIC_UNKNOWN, TOPIC_INVALID. */
  grow(name: string, partitions: number): void {
    const topic = this.#topics.get(name);
    if (topic === undefined)
      throw new MillraceError("TOPIC_UNKNOWN", { topic: name, partition: 0 });
    const { entry, config, logs } = topic;
    if (partitions <= entry.partitions) return;
    checkTopic({ ...entry, partitions });
    this.record("journal-write", { kind: "partitions", number: entry.number, partitions });
    const grown: TopicEntry = { ...entry, partitions };
    const added = Array.from({ length: partitions - entry.partitions }, (_, index) =>
      this.#openLog(grown, config, entry.partitions + index, undefined),
    );
    this.#topics.set(name, { entry: grown, config, logs: [...logs, ...added] });
  }

  delete(name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    const { number } = topic.entry;
    this.record("journal-write", { kind: "topic-deleted", number });
    this.#topics.delete(name);
    for (const log of topic.logs) {
      log.delete();
      this.#compactedBytes.delete(log);
      this.#options.onChange(log);
    }
    if (this.#storage === null) return;
    const directory = join(this.#storage.directory, "topics", `${name}-${number}`);
    this.#storage.remove(directory);
  }

  /** Moves the log start; −1 deletes everything. */
  deleteBelow(topic: string, partition: number, offset: number): void {
    const { found, log } = this.log(topic, partition);
    const target = offset === -1 ? log.nextOffset : offset;
    if (target > log.nextOffset) log.checkRange(target);
    if (target <= log.startOffset) return;
    const { number } = found.entry;
    this.record("journal-write", { kind: "log-start", number, partition, offset: target });
    log.deleteBelow(target);
  }

  /** Compacts the compacted topics now, or one of them. */
  compact(name?: string): void {
    for (const topic of this.#topics.values()) {
      if (!topic.config.compacts || (name !== undefined && topic.entry.name !== name)) continue;
      for (const log of topic.logs) this.#compactLog(log);
    }
  }

  /** Counts what was appended: checkpoints, compaction and limits of size hang on it. */
  afterWrite(logs: readonly PartitionLog[]): void {
    for (const log of logs) this.#sinceCheckpoint += log.takeAppendedBytes();
    if (this.#sinceCheckpoint >= checkpointBytes) this.#checkpoint();
    for (const log of logs) {
      const config = this.#topics.get(log.topic)?.config;
      if (config === undefined) continue;
      if (config.retentionBytes !== null) {
        const start = log.shrinkTo(config.retentionBytes);
        if (start > log.startOffset) this.deleteBelow(log.topic, log.partition, start);
      }
      if (!config.compacts) continue;
      const last = this.#compactedBytes.get(log) ?? 0;
      if (log.sizeBytes >= last + Math.max(last, compactionBytes)) this.#compactLog(log);
    }
  }

  flush(logs: Iterable<PartitionLog>): void {
    if (this.#storage?.flushes !== true) return;
    for (const log of logs) log.flush();
  }

  /** Writes down where everything stands, so that opening it again is quick. */
  close(): void {
    if (this.#storage !== null && !this.#storage.readOnly && !this.#storage.dead) {
      try {
        this.#checkpoint();
      } catch (error) {
        // Opening looks through the logs instead.
        if (!(error instanceof MillraceError)) throw error;
      }
    }
    this.release();
  }

  /** Closes the files as they are. */
  release(): void {
    this.#journal?.close();
    for (const { logs } of this.#topics.values()) for (const log of logs) log.close();
  }

  #recover(storage: Storage): void {
    for (const entry of this.#journal?.load() ?? []) this.state.apply(entry);
    removeDeletedTopics(this.state.topics, this.state.nextTopicNumber, storage);
    const checkpoints = readCheckpoints(this.#checkpointPath(storage));
    for (const entry of this.state.topics.values()) this.#openTopic(entry, checkpoints);
    this.#checkDecided(storage);
    for (const { entry, logs } of this.#topics.values()) {
      for (const log of logs) this.#endTransactions(entry.number, log, storage);
    }
    if (!storage.readOnly) this.#checkpoint();
  }

  #openTopic(entry: TopicEntry, checkpoints: Checkpoints): void {
    const config = logConfig(entry.config);
    const logs = Array.from({ length: entry.partitions }, (_, partition) =>
      this.#openLog(entry, config, partition, checkpoints[`${entry.number}/${partition}`]),
    );
    this.#topics.set(entry.name, { entry, config, logs });
  }

  #openLog(
    entry: TopicEntry,
    config: LogConfig,
    partition: number,
    checkpoint: LogCheckpoint | undefined,
  ): PartitionLog {
    const storage = this.#storage;
    const startOffset = this.state.logStarts.get(`${entry.number}/${partition}`) ?? 0;
    const directory =
      storage === null ? "" : partitionDirectory(storage.directory, entry, partition);
    const found =
      storage === null
        ? { segments: [] as LogSegment[], appendsToLast: false, state: emptyState() }
        : findLog(directory, startOffset, checkpoint, storage, this.cache);
    return new PartitionLog({
      topic: entry.name,
      partition,
      startOffset,
      segments: found.segments,
      appendsToLast: found.appendsToLast,
      state: found.state,
      segmentBytes:
        storage === null ? memorySegmentBytes : (config.segmentBytes ?? this.#options.segmentBytes),
      createSegment: (baseOffset) =>
        storage === null
          ? new MemorySegment(baseOffset)
          : new FileSegment(directory, baseOffset, 0, storage, this.cache),
      // A restart then looks through the new segment alone.
      onRoll: () => this.#checkpoint(),
      onChange: this.#options.onChange,
    });
  }

  /** What was decided must be there: else a power cut took commits that were acknowledged. */
  #checkDecided(storage: Storage): void {
    for (const { entry, logs } of this.#topics.values()) {
      for (const log of logs) {
        for (const { endOffset } of this.#decidedIn(entry.number, log).values()) {
          if (log.nextOffset >= endOffset) continue;
          const place = `${log.topic}/${log.partition}`;
          const reason = `${place} ends at ${log.nextOffset}, before what was committed`;
          throw new MillraceError("STORAGE_DAMAGED", { directory: storage.directory, reason });
        }
      }
    }
  }

  #decidedIn(number: number, log: PartitionLog): ReadonlyMap<number, DecidedPart> {
    return this.state.decided.get(`${number}/${log.partition}`) ?? nothingDecided;
  }

  #endTransactions(number: number, log: PartitionLog, storage: Storage): void {
    const decided = this.#decidedIn(number, log);
    for (const [producerId, { firstOffset }] of [...log.openTransactions]) {
      const kind = decided.get(producerId)?.firstOffset === firstOffset ? "commit" : "abort";
      if (storage.readOnly) log.forgetTransaction(kind, producerId, log.nextOffset);
      else log.end(kind, producerId, this.#options.now());
    }
  }

  #compactLog(log: PartitionLog): void {
    this.#storage?.checkWritable();
    log.roll();
    // Before anything is rewritten: a checkpoint points into segments as they were.
    this.#checkpoint();
    compactLog(log);
    this.#compactedBytes.set(log, log.sizeBytes);
  }

  /** Nothing decided is unfinished here: markers are written before the next entry comes. */
  #compactJournal(): void {
    this.#storage?.checkWritable();
    for (const { logs } of this.#topics.values()) this.flush(logs);
    this.#journal?.compact(this.state.entries());
    this.state.decided.clear();
  }

  #checkpoint(): void {
    if (this.#storage === null) return;
    this.#sinceCheckpoint = 0;
    const all: Record<string, LogCheckpoint> = {};
    for (const { entry, logs } of this.#topics.values()) {
      this.flush(logs);
      for (const log of logs) all[`${entry.number}/${log.partition}`] = log.checkpoint();
    }
    writeCheckpoints(this.#storage, this.#checkpointPath(this.#storage), all);
  }

  #checkpointPath(storage: Storage): string {
    return join(storage.directory, "checkpoint");
  }
}

function emptyState(): LogState {
  return { nextOffset: 0, open: new Map(), aborted: [] };
}
