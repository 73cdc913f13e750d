import { createHash } from "node:crypto";
import type { ModelInForce } from "../../../processors/scoring/model-register.ts";
import { ScoreBatch } from "../../../processors/scoring/score-batch.ts";
import { ByteWriter } from "../../../schemas/bytes.ts";
import type { PredictionFacts } from "../../../schemas/plan.ts";
import { quoteName, quoteText } from "../../../schemas/sql-text.ts";
import { nullableFloat64, string, stringBytes } from "../../../sinks/row-binary.ts";
import type { OfflineColumn, OfflineStore, OfflineTable } from "../../../sinks/store.ts";
import { createScoringPool } from "../score/scoring-pool.ts";
import type { ArtifactStore } from "../train/artifacts.ts";
import { type Column, columnsOf, refused, requireFeatures } from "./feature-columns.ts";
import { keyColumn, ScoredRows } from "./scored-rows.ts";

/** Rows of a page: one insert, which is there whole or not at all. */
export const pageRows = 50_000;

/** What is scored, by what, and where the answers go. */
export interface BatchQuery {
  /** One SELECT that has every feature of the step by its name; what else it has goes along. */
  readonly query: string;
  /** Table of the topology's database that the answers are added to. */
  readonly into: string;
  /** Rows of a page. @default 50000 */
  readonly pageRows?: number;
}

/** A query that has been looked at: rows, pages and what of them is there. */
export interface BatchJob {
  /** Of the query's rows, the model and the pages: other rows are another job. */
  readonly job: string;
  readonly version: string;
  readonly sha256: string;
  readonly rows: number;
  readonly pages: number;
  /** Pages that are stored, and their rows together. */
  readonly stored: readonly number[];
  readonly storedRows: number;
}

/** Columns of our own in a table of answers. */
const ownColumns: readonly OfflineColumn[] = [
  { name: "job", type: "String" },
  { name: "page", type: "UInt32" },
  { name: "row", type: "UInt32" },
  { name: "version", type: "LowCardinality(String)" },
  { name: "probability", type: "Nullable(Float64)" },
];
const orderBy = ["job", "page", "row"];
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Scores the rows of a query into a table, page by page. Which rows are of a page follows from the
 * rows alone, and a page is stored by one insert: what was cut off goes on with the pages that are
 * not there, and no row comes twice. Rows go through the pool that scores for the stream, so the
 * same features give the same bytes.
 */
export class BatchScoring {
  readonly #step: Pick<PredictionFacts, "name" | "features">;
  readonly #offline: OfflineStore;
  readonly #artifacts: Pick<ArtifactStore, "directory" | "ensure">;

  constructor(
    step: Pick<PredictionFacts, "name" | "features">,
    offline: OfflineStore,
    artifacts: Pick<ArtifactStore, "directory" | "ensure">,
  ) {
    this.#step = step;
    this.#offline = offline;
    this.#artifacts = artifacts;
  }

  /**
   * Looks at the rows of the query, and makes the table where it is not there.
   *
   * @throws {MillraceError} SCORE_REFUSED saying what to change; OFFLINE_READ_ONLY, OFFLINE_QUERY.
   */
  async open(asked: BatchQuery, model: { version: string; sha256: string }): Promise<BatchJob> {
    const keys = await this.#keys(asked);
    const [found] = await this.#offline.query<{ rows: number; hash: string }>(
      `SELECT toFloat64(count()) AS rows, toString(sum(${rowHash(this.#all(keys))})) AS hash
      FROM ${source(asked)}`,
    );
    const { rows = 0, hash = "" } = found ?? {};
    const pages = Math.ceil(rows / (asked.pageRows ?? pageRows));
    const named = [asked.query, this.#all(keys), hash, rows, pages, model.sha256, model.version];
    const job = createHash("sha256").update(JSON.stringify(named)).digest("hex").slice(0, 32);
    await this.#offline.migrate([await this.#table(asked, keys)], []);
    const stored = await this.#offline.query<{ page: number; rows: number }>(
      `SELECT page, toFloat64(count()) AS rows FROM ${quoteName(asked.into)}
      WHERE job = ${quoteText(job)} GROUP BY page ORDER BY page`,
    );
    return {
      ...{ job, version: model.version, sha256: model.sha256, rows, pages },
      stored: stored.map(({ page }) => page),
      storedRows: stored.reduce((sum, each) => sum + each.rows, 0),
    };
  }

  /**
   * Scores and stores a page. Again and again gives the same rows, once.
   *
   * @returns its rows, and those of them that the model failed at, whose probability is NULL.
   */
  async page(
    asked: BatchQuery,
    { job, version, sha256, pages }: Omit<BatchJob, "stored">,
    page: number,
  ): Promise<{ readonly rows: number; readonly failed: number }> {
    const keys = await this.#keys(asked);
    const all = this.#all(keys);
    const { features } = this.#step;
    const values = features.map((name) => `ifNull(toFloat64(${quoteName(name)}), nan)`);
    const rows = new ScoredRows(keys.map(keyColumn), features.length);
    await this.#offline.queryStream(
      `SELECT ${[...keys.map(keySql), ...values].join(", ")} FROM ${source(asked)}
      WHERE ${rowHash(all)} % ${pages} = ${page} ORDER BY ${all}`,
      (chunk) => rows.add(chunk),
    );
    if (rows.count === 0) return { rows: 0, failed: 0 };
    const probabilities = await this.#score(rows.vectors(), { version, artifact: sha256 });
    const writer = new ByteWriter();
    let failed = 0;
    for (let row = 0; row < rows.count; row++) {
      string(writer, job);
      writer.u32(page);
      writer.u32(row);
      stringBytes(writer, Buffer.from(version, "utf8"));
      const probability = probabilities[row] as number;
      if (Number.isNaN(probability)) failed++;
      nullableFloat64(writer, probability);
      rows.copyKeys(row, writer);
    }
    const table = await this.#table(asked, keys);
    const token = `${asked.into}:${job}:${page}`;
    await this.#offline.insert({ table, rowBinary: writer.take(), rows: rows.count, token });
    return { rows: rows.count, failed };
  }

  async #score(
    vectors: Float64Array,
    model: Pick<ModelInForce, "version" | "artifact">,
  ): Promise<Float64Array> {
    await this.#artifacts.ensure(model.artifact);
    const width = this.#step.features.length;
    const batch = new ScoreBatch(width);
    for (let from = 0; from < vectors.length; from += width) {
      const at = batch.vectors.add();
      batch.vectors.values.set(vectors.subarray(from, from + width), at);
      batch.add({ ...model, before: null }, 0, 0);
    }
    const pool = createScoringPool({ artifacts: this.#artifacts });
    try {
      const { payload } = batch.work({ putAside: [], asksNews: false, heard: 0, knownAt: 0 });
      return (await pool.score(payload)).probabilities;
    } finally {
      await pool.close();
    }
  }

  /** The columns of the query that are no features, in the order of the query. */
  async #keys(asked: BatchQuery): Promise<readonly Column[]> {
    if (!plainName.test(asked.into)) {
      throw refused(`the table ${asked.into} is no plain name: letters, digits and _`);
    }
    // Refused where it writes, before anything else is asked of it.
    const all = await columnsOf(this.#offline, source(asked), { readOnly: true });
    requireFeatures(all, this.#step, "the query");
    const keys = all.filter(({ name }) => !this.#step.features.includes(name));
    // Those that a table of answers has itself are not taken over.
    return keys.filter(({ name }) => !ownColumns.some((own) => own.name === name));
  }

  async #table({ into }: BatchQuery, keys: readonly Column[]): Promise<OfflineTable> {
    const found = await this.#offline.query<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = currentDatabase()
      AND table = ${quoteText(into)}`,
    );
    const names = found.map(({ name }) => name);
    const lacks = ownColumns.find(({ name }) => !names.includes(name));
    if (names.length > 0 && lacks !== undefined) {
      throw refused(`the table ${into} is there, and is none of scores: it has no ${lacks.name}`);
    }
    return { name: into, columns: [...ownColumns, ...keys.map(keyColumn)], orderBy };
  }

  /** Every column that a page depends on: equal rows are the same row. */
  #all(keys: readonly Column[]): string {
    return [...keys.map(({ name }) => name), ...this.#step.features].map(quoteName).join(", ");
  }
}

function source({ query }: BatchQuery): string {
  // A comment at its end ends with the line.
  return `(${query.trim().replace(/;\s*$/, "")}\n)`;
}

function rowHash(columns: string): string {
  return `cityHash64(toString(tuple(${columns})))`;
}

function keySql(column: Column): string {
  const name = quoteName(column.name);
  if (column.type === keyColumn(column).type) return name;
  return column.type.startsWith("Nullable(") || column.type.includes("Nullable(")
    ? `CAST(${name}, 'Nullable(String)')`
    : `toString(${name})`;
}
