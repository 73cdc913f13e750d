import { dirname, resolve } from "node:path";
import {
  checkFiles,
  type FileQuery,
  FileScoring,
  partialOf,
} from "../../runtime/services/models/file-scoring.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import type { ScoreJob, ScoreRequest } from "../../serving/batch-desk.ts";
import type { AskedVersion } from "../../serving/model-desk.ts";
import { openScoreStore } from "../../stacks/score-store.ts";
import { type Look, type LookOptions, look } from "./look.ts";
import { refusingQuery } from "./query-refused.ts";

/** A model as `NAME`, `NAME@ALIAS` or `NAME#VERSION`; null: it is none of these. */
export function namedVersion(
  text: string,
): { model: string; alias: string | null; version: string | null } | null {
  const { model, alias, version } =
    /^(?<model>[^@#]+)(?:@(?<alias>[^@#]+)|#(?<version>[^@#]+))?$/.exec(text)?.groups ?? {};
  return model === undefined ? null : { model, alias: alias ?? null, version: version ?? null };
}

/** Who scores, page by page; what is stored already is not scored again. */
interface Pages {
  readonly found: Pick<ScoreJob, "rows" | "pages" | "stored" | "storedRows" | "version">;
  readonly page: (page: number) => Promise<{ readonly rows: number; readonly failed: number }>;
}

/** Scores the pages that are not there, and says on standard error how far it is. */
async function scorePages({ found, page }: Pages) {
  const { rows, pages, storedRows, version } = found;
  const stored = new Set(found.stored);
  let [done, failed] = [storedRows, 0];
  const tell = (): void => {
    // A query whose rows have become more since they were counted ends at what was counted.
    const share = rows === 0 ? 100 : Math.min(100, Math.floor((done / rows) * 100));
    process.stderr.write(`${done} of ${rows} rows are scored by ${version} (${share} %)\n`);
  };
  tell();
  for (let each = 0; each < pages; each++) {
    if (stored.has(each)) continue;
    const scored = await page(each);
    if (scored.rows === 0) continue;
    done += scored.rows;
    failed += scored.failed;
    tell();
  }
  return { done, failed };
}

/**
 * `millrace score --model NAME --query SQL --into TABLE`: page by page. What was cut off goes on
 * with the pages that are not stored yet.
 */
export function score(
  resolved: Look,
  request: ScoreRequest,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const found = await refusingQuery("--query", () => inspector.scoreJob(request));
    const page = (each: number) =>
      refusingQuery("--query", () => inspector.scorePage({ ...request, found, page: each }));
    const { done, failed } = await scorePages({ found, page });
    const { topology, job, version, storedRows } = found;
    const { model, into } = request;
    const answer = { topology, model, version, into, job, rows: done, stored: storedRows, failed };
    return options.json ? jsonText(answer) : scoredText({ ...answer, to: `${into}; job ${job}` });
  });
}

/** `millrace score --model NAME --input FILE --output FILE`: Parquet to Parquet. */
export function scoreFile(
  resolved: Look,
  { input, output, pageRows, ...asked }: FileQuery & AskedVersion,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const { step, features, path, version, sha256 } = await inspector.modelFile(asked);
    const files = { input: resolve(input), output: resolve(output), pageRows };
    await checkFiles(files);
    const store = await openScoreStore(partialOf(files.output));
    try {
      const artifacts = { directory: dirname(path), ensure: async () => {} };
      const scoring = new FileScoring({ name: step, features }, store, artifacts, files);
      const counted = await refusingQuery("--input", async () => {
        const found = await scoring.open({ version, sha256 }).catch(async (error: unknown) => {
          // Nothing has been taken in: there is nothing to go on with.
          if (error instanceof MillraceError && error.code === "SCORE_REFUSED")
            await store.remove();
          throw error;
        });
        const scored = await scorePages({ found, page: (each) => scoring.page(found, each) });
        await scoring.finish(found);
        return { ...scored, stored: found.storedRows };
      });
      await store.remove();
      const { done: rows, ...rest } = counted;
      const answer = { model: asked.model, version, ...files, rows, ...rest };
      return options.json ? jsonText(answer) : scoredText({ ...answer, to: files.output });
    } finally {
      await store.close();
    }
  });
}

function scoredText(of: {
  readonly to: string;
  readonly rows: number;
  readonly model: string;
  readonly version: string;
  readonly stored: number;
  readonly failed: number;
}): string {
  const lines = [`${of.to}: ${of.rows} rows, scored by ${of.model} ${of.version}.`];
  if (of.stored > 0) lines.push(`${of.stored} of them were there already.`);
  if (of.failed > 0) lines.push(`The model failed at ${of.failed}: their probability is NULL.`);
  return lines.join("\n");
}
