import { copyFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { noRoutes, routesText, versionsIn } from "../../schemas/model-routes.ts";
import { jsonText, plainText } from "../../schemas/plain-text.ts";
import type { Inspector } from "../../serving/inspector.ts";
import type {
  ModelEntry,
  NamedModel,
  RegisterRequest,
  RouteRequest,
} from "../../serving/model-desk.ts";
import { laterChampion } from "../later-champion.ts";
import { table } from "../table.ts";
import { type Look, type LookOptions, look } from "./look.ts";

/** What the flags of a change say. */
export interface ChangeFlags extends LookOptions {
  readonly why?: string;
}

/** A change of a model as its command line says it. */
export interface AskedChange extends NamedModel {
  readonly effectiveFrom: number | null;
  readonly why: string;
}

type Change<Asked extends object> = (
  inspector: Inspector,
  request: Asked & AskedChange & { readonly by: string },
) => Promise<ModelEntry>;

function change<Asked extends object>(act: Change<Asked>) {
  return (resolved: Look, asked: Asked & AskedChange, options: LookOptions): Promise<number> =>
    look(resolved, async (inspector) => {
      const entry = await act(inspector, { ...asked, by: userInfo().username });
      if (options.json) return jsonText(entry);
      const forced = (asked as { scorer?: string }).scorer === "native";
      const later = entry.champion
        ? laterChampion(entry, await inspector.modelHistory(asked))
        : null;
      return [changedText(entry, forced), ...(later === null ? [] : [later])].join("\n");
    });
}

type AskedFile = Omit<RegisterRequest, keyof AskedChange | "by">;

/** `millrace models register FILE --name MODEL`. */
export const registerModel = change<AskedFile>((inspector, request) => {
  // The run that checks it may stand in another folder.
  const golden = request.golden === null ? null : resolve(request.golden);
  return inspector.registerModel({ ...request, file: resolve(request.file), golden });
});

/** `millrace models promote MODEL VERSION`. */
export const promoteModel = change<{ readonly version: string }>((inspector, request) =>
  inspector.promoteModel(request),
);

/** `millrace models rollback MODEL`. */
export const rollBackModel = change<object>((inspector, request) =>
  inspector.rollBackModel(request),
);

type AskedRoutes = Pick<RouteRequest, "champion" | "challengers" | "shadow" | "segment">;

/** `millrace models route MODEL --challenger VERSION=SHARE …`. */
export const routeModel = change<AskedRoutes>((inspector, request) =>
  inspector.routeModel(request),
);

/** `millrace models route MODEL`: who answers, and who scores beside. */
export function showRoutes(
  resolved: Look,
  asked: NamedModel,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const entries = await inspector.modelHistory(asked);
    const champion = entries.findLast((entry) => entry.champion)?.version ?? null;
    // A champion that is named ends the routes before; one that the trainer made does not.
    const last = entries.findLast(
      ({ kind, champion: names, routes }) =>
        kind === "route" || routes !== null || (names && kind !== "train"),
    );
    const routes = last?.routes ?? noRoutes;
    if (options.json) return jsonText({ model: asked.model, champion, routes });
    const who = champion === null ? "There is no champion." : `Champion: ${champion}.`;
    if (versionsIn(routes).length === 0) {
      return `${asked.model} has no routes: its champion answers all. ${who}`;
    }
    return [`${asked.model} is routed. ${who}`, ...routesText(routes)].map(plainText).join("\n");
  });
}

/** `millrace models history MODEL`. */
export function modelHistory(
  resolved: Look,
  asked: NamedModel,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const entries = await inspector.modelHistory(asked);
    if (options.json) return jsonText(entries);
    if (entries.length === 0) return `No version of ${asked.model} is known yet.`;
    return table(
      ["when", "what", "version", "champion before", "in force after", "by", "why", "sha256"],
      entries.map((entry) => [
        entry.at === null ? "-" : time(entry.at),
        entry.kind,
        entry.version,
        entry.champion ? entry.from || "none" : "stays",
        entry.champion || entry.routes !== null ? time(entry.effectiveFrom) : "-",
        plainText(entry.by),
        plainText([...routesText(entry.routes), entry.why].filter(Boolean).join("; ")),
        entry.sha256.slice(0, 12),
      ]),
    );
  });
}

/** `millrace models compare MODEL`: its versions side by side, by what they did in each role. */
export function compareModel(
  resolved: Look,
  asked: NamedModel,
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const lines = await inspector.compareModel(asked);
    if (options.json) return jsonText(lines);
    if (lines.length === 0) return `No outcome of ${asked.model} is known yet.`;
    const auc = (value: number | null) => (value === null ? "-" : value.toFixed(4));
    return table(
      [
        "step",
        "role",
        "version",
        "of the",
        "outcomes",
        "known",
        "auc",
        "auc of the answers beside",
      ],
      lines.map((line) => [
        ...[line.step, line.role, line.version, line.from],
        ...[String(line.outcomes), String(line.known)],
        ...[auc(line.auc), line.role === "shadow" ? auc(line.answeredAuc) : "-"],
      ]),
    );
  });
}

/** `millrace models show MODEL [VERSION]`: all that is known of a version. */
export function showModel(
  resolved: Look,
  asked: NamedModel & { readonly version: string | null },
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const file = await inspector.modelFile(asked);
    const history = await inspector.modelHistory(asked);
    const entries = history.filter(
      ({ version, routes }) =>
        version === file.version || versionsIn(routes).includes(file.version),
    );
    if (options.json) return jsonText({ ...file, changes: entries });
    const lines = [
      `${asked.model} ${file.version}`,
      `sha256  ${file.sha256}`,
      `file    ${file.path}`,
    ];
    for (const { kind, at, effectiveFrom, by, why, checked, routes } of entries) {
      const when = time(at ?? effectiveFrom);
      lines.push(`${kind} ${when} by ${plainText(by)}${why === "" ? "" : `: ${plainText(why)}`}`);
      for (const line of routesText(routes)) lines.push(`  ${plainText(line)}`);
      for (const [name, value] of Object.entries(checked ?? {})) lines.push(`  ${name} ${value}`);
    }
    return lines.join("\n");
  });
}

/** `millrace models download MODEL [VERSION] --out FILE`. */
export function downloadModel(
  resolved: Look,
  asked: NamedModel & { readonly version: string | null; readonly out: string },
  options: LookOptions,
): Promise<number> {
  return look(resolved, async (inspector) => {
    const { path, ...file } = await inspector.modelFile(asked);
    await copyFile(path, asked.out);
    return options.json ? jsonText({ ...file, path: asked.out }) : `${asked.out}: ${file.version}`;
  });
}

/** @param forced - whether JavaScript was asked for, whose last bits may then be others. */
function changedText(entry: ModelEntry, forced: boolean): string {
  const { model, version, champion, from, effectiveFrom, kind, routes, notExplained } = entry;
  if (kind === "route") {
    const who = version === "" ? "There is no champion." : `Champion: ${version}.`;
    return [
      `${model} is routed for records known after ${time(effectiveFrom)}. ${who}`,
      ...routesText(routes),
    ].join("\n");
  }
  const lines = kind === "register" ? [`${model} ${version} is registered.`] : [];
  if (champion) {
    const before = from === "" ? "there was none" : `in place of ${from}`;
    lines.push(
      `${model} ${version} is champion (${before}) for records known after ${time(effectiveFrom)}.`,
    );
    if (routes !== null) lines.push("Its challengers and its shadow answer no more.");
  } else lines.push(`It answers once it is champion: millrace models promote ${model} ${version}`);
  const { rows, rowsFrom, msPerRow, alone, scorer, notNative } = (entry.checked ?? {}) as Record<
    string,
    unknown
  >;
  if (rows !== undefined) {
    lines.push(`Checked on ${rows} rows (${rowsFrom}); ${Number(msPerRow).toFixed(2)} ms a row.`);
  }
  if (scorer === "native") lines.push(`It is computed in JavaScript: ${nearness(forced)}.`);
  if (notNative !== undefined) lines.push(`onnxruntime scores by it: ${notNative}.`);
  if (alone === true) lines.push("Its answers depend on the batch, so rows are asked one by one.");
  if (notExplained !== null) {
    lines.push(
      `Warning: its predictions have no explanation, which the step tells: ${notExplained}.`,
    );
  }
  return lines.join("\n");
}

function nearness(forced: boolean): string {
  return forced
    ? "as was asked for, within 0.000001 of what onnxruntime answers"
    : "the same bits as onnxruntime's on the rows of the check";
}

function time(instant: number): string {
  return new Date(instant).toISOString();
}
