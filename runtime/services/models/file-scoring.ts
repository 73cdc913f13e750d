import { randomUUID } from "node:crypto";
import { access, mkdir, rename, rm, stat } from "node:fs/promises";
import type { PredictionFacts } from "../../../schemas/plan.ts";
import { quoteName, quoteText } from "../../../schemas/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import type { ArtifactStore } from "../train/artifacts.ts";
import { type BatchJob, BatchScoring } from "./batch-scoring.ts";
import { columnsOf, refused, requireFeatures } from "./feature-columns.ts";
import { unreadable } from "./unreadable.ts";

/** Rows of a Parquet file that are to be scored into another. */
export interface FileQuery {
  /** Absolute path of a Parquet file that has every feature of the step by its name. */
  readonly input: string;
  /** Absolute path of the Parquet file to write. */
  readonly output: string;
  readonly pageRows: number;
}

/** Number of a row in its file: the order of the output. */
const rowColumn = "millrace_row";
const [staged, staging, scores] = ["rows", "staging", "scores"];
/** Columns that the output has of its own: those of the input give way. */
const added = ["probability", "version"];

/**
 * Scores the rows of a Parquet file into another, in their order, each with `probability` and
 * `version` beside what it had. Rows are taken into a store of their own first, and go through
 * {@link BatchScoring} there: what was cut off goes on with the pages that are not stored, and the
 * output appears whole or not at all. Parquet is read and written by ClickHouse's own functions.
 */
export class FileScoring {
  readonly #step: Pick<PredictionFacts, "name" | "features">;
  readonly #store: OfflineStore;
  readonly #batch: BatchScoring;
  readonly #asked: FileQuery;
  readonly #query: { readonly query: string; readonly into: string; readonly pageRows: number };

  /** @param store - nobody else's, beside the output: the rows of one input stand in it. */
  constructor(
    step: Pick<PredictionFacts, "name" | "features">,
    store: OfflineStore,
    artifacts: Pick<ArtifactStore, "directory" | "ensure">,
    asked: FileQuery,
  ) {
    this.#step = step;
    this.#store = store;
    this.#batch = new BatchScoring(step, store, artifacts);
    this.#asked = asked;
    const columns = [rowColumn, ...step.features].map(quoteName).join(", ");
    const { pageRows } = asked;
    this.#query = { query: `SELECT ${columns} FROM ${staged}`, into: scores, pageRows };
  }

  /**
   * Takes the rows of the input in, unless they are there, and looks at what is scored of them.
   *
   * @throws {MillraceError} SCORE_REFUSED saying what to change; OFFLINE_QUERY_FAILED.
   */
  async open(model: { version: string; sha256: string }): Promise<BatchJob> {
    const { input } = this.#asked;
    const found = await stat(input);
    const identity = JSON.stringify([input, found.size, found.mtimeMs, found.ino]);
    const tables = await this.#store.query<{ comment: string }>(
      `SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = '${staged}'`,
    );
    if (tables[0]?.comment !== identity) await this.#stage(identity);
    return await this.#batch.open(this.#query, model);
  }

  page(job: BatchJob, page: number): Promise<{ readonly rows: number; readonly failed: number }> {
    return this.#batch.page(this.#query, job, page);
  }

  /** Writes the output: every row of the input once, in its order. */
  async finish({ job }: BatchJob): Promise<void> {
    const { output } = this.#asked;
    const whole = `${output}.${randomUUID()}.tmp`;
    const own = added.map((name) => `s.${name} AS ${name}`).join(", ");
    try {
      await this.#do(
        `INSERT INTO FUNCTION file(${quoteText(whole)}, 'Parquet')
        SELECT r.* EXCEPT (${await this.#left()}), ${own}
        FROM ${staged} AS r INNER JOIN ${scores} AS s ON r.${rowColumn} = s.${rowColumn}
        WHERE s.job = ${quoteText(job)} ORDER BY r.${rowColumn}`,
      );
      await rename(whole, output);
    } finally {
      await rm(whole, { force: true });
    }
  }

  async #stage(identity: string): Promise<void> {
    const file = `file(${quoteText(this.#asked.input)}, 'Parquet')`;
    const columns = await columnsOf(this.#store, file).catch((cause: unknown) => {
      throw refused(`${this.#asked.input} cannot be read as Parquet: ${reasonIn(cause)}`, cause);
    });
    requireFeatures(columns, this.#step, "the file");
    if (columns.some(({ name }) => name === rowColumn)) {
      throw refused(`the file has a column ${rowColumn}, which its rows are counted in: rename it`);
    }
    for (const table of [staging, staged, scores]) await this.#do(`DROP TABLE IF EXISTS ${table}`);
    // One thread, or blocks come in the order in which they are decoded.
    await this.#do(
      `CREATE TABLE ${staging} ENGINE = MergeTree ORDER BY ${rowColumn}
      AS SELECT toUInt64(rowNumberInAllBlocks()) AS ${rowColumn}, *
      FROM ${file}
      SETTINGS max_threads = 1, max_insert_threads = 1, input_format_parquet_preserve_order = 1`,
    );
    await this.#do(`ALTER TABLE ${staging} MODIFY COMMENT ${quoteText(identity)}`);
    await this.#do(`RENAME TABLE ${staging} TO ${staged}`);
  }

  /** Columns of the input that do not go along. */
  async #left(): Promise<string> {
    const found = await this.#store.query<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '${staged}'`,
    );
    const gone = found.filter(({ name }) => name === rowColumn || added.includes(name));
    return gone.map(({ name }) => quoteName(name)).join(", ");
  }

  async #do(sql: string): Promise<void> {
    await this.#store.queryText(sql, "TSV");
  }
}

/**
 * Whether the files can be what they are named for; makes the folder of what is scored, and that
 * alone.
 *
 * @throws {MillraceError} SCORE_REFUSED saying what to change.
 */
export async function checkFiles({ input, output }: FileQuery): Promise<void> {
  const pattern = [input, output].find((path) => /[*?{}]/.test(path));
  if (pattern !== undefined) {
    throw refused(`${pattern} is a pattern to ClickHouse: name a file without *, ?, { and }`);
  }
  const found = await stat(input).catch((cause: NodeJS.ErrnoException) => {
    throw refused(unreadable(input, cause), cause);
  });
  // A pipe would be waited for, and of a folder all files be read.
  if (!found.isFile()) throw refused(`${input} is no file: name a Parquet file`);
  if (await isThere(output)) {
    throw refused(`${output} is there already: name another --output, or remove it first`);
  }
  await mkdir(partialOf(output), { recursive: true, mode: 0o700 }).catch((cause: Error) => {
    throw refused(`${output} cannot be written: ${cause.message}`, cause);
  });
}

/** The folder that keeps what is scored until the output is whole. */
export function partialOf(output: string): string {
  return `${output}.partial`;
}

/** What the store says, on one line, without the exceptions that it stands in. */
function reasonIn(cause: unknown): string {
  const { context } = cause as { readonly context?: { readonly reason?: unknown } };
  const whole = String(context?.reason ?? cause).replace(/\s+/g, " ");
  const [, inner = whole] = /\. Error: (.*?)\.? You can specify/.exec(whole) ?? [];
  const plain = inner.replace("DB::Exception: ", "").replace(/^Code: \d+\. /, "");
  return plain.replace(/\.? \([A-Z_]+\).*$/, "").slice(0, 600);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
