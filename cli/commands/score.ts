import { jsonText } from "../../schemas/plain-text.ts";
import type { ScoreRequest } from "../../serving/batch-desk.ts";
import { type Look, type LookOptions, look } from "./look.ts";

/** A model as `NAME`, `NAME@champion` or `NAME#VERSION`; null: it is none of these. */
export function namedVersion(text: string): { model: string; version: string | null } | null {
  const { model, alias, version } =
    /^(?<model>[^@#]+)(?:@(?<alias>[^@#]+)|#(?<version>[^@#]+))?$/.exec(text)?.groups ?? {};
  if (model === undefined || (alias !== undefined && alias !== "champion")) return null;
  return { model, version: version ?? null };
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
    const found = await inspector.scoreJob(request);
    const { rows, pages, storedRows, version } = found;
    const stored = new Set(found.stored);
    let [done, failed] = [storedRows, 0];
    const tell = (): void => {
      const share = rows === 0 ? 100 : Math.floor((done / rows) * 100);
      process.stderr.write(`${done} of ${rows} rows are scored by ${version} (${share} %)\n`);
    };
    tell();
    for (let page = 0; page < pages; page++) {
      if (stored.has(page)) continue;
      const scored = await inspector.scorePage({ ...request, found, page });
      if (scored.rows === 0) continue;
      done += scored.rows;
      failed += scored.failed;
      tell();
    }
    const { topology, job } = found;
    const { model, into } = request;
    const answer = { topology, model, version, into, job, rows: done, stored: storedRows, failed };
    if (options.json) return jsonText(answer);
    const lines = [`${into}: ${done} rows, scored by ${model} ${version}; job ${job}.`];
    if (storedRows > 0) lines.push(`${storedRows} of them were there already.`);
    if (failed > 0) lines.push(`The model failed at ${failed}: their probability is NULL.`);
    return lines.join("\n");
  });
}
