import { existsSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  type ApplicationSpec,
  application,
  isApplication,
  isPlan,
} from "../../runtime/hosting/application-spec.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { LoadedApplication } from "../run/claim.ts";

const extensions = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"];

/** Whether an argument of the command line is the path of a module. */
export function isModulePath(text: string): boolean {
  return extensions.includes(extname(text)) && !text.startsWith("-");
}

/**
 * Loads an application from a module of TypeScript or JavaScript: what it exports as default or as
 * `application`, else all topologies that it exports.
 *
 * @param path - its extension may be left out.
 * @throws {MillraceError} APPLICATION_MISSING when there is no such file; APPLICATION_UNREADABLE
 * when it cannot be loaded; APPLICATION_INVALID when it exports none.
 */
export async function loadApplication(path: string): Promise<LoadedApplication> {
  const module = modulePath(path);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await importModule(module);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError("APPLICATION_UNREADABLE", { module, reason }, { cause });
  }
  return { spec: applicationIn(exported, module), module };
}

function modulePath(path: string): string {
  const whole = resolve(path);
  const isFile = (each: string) => statSync(each, { throwIfNoEntry: false })?.isFile() === true;
  const found = [whole, ...extensions.map((extension) => whole + extension)].find(isFile);
  if (found === undefined) throw new MillraceError("APPLICATION_MISSING", { module: whole });
  return found;
}

async function importModule(module: string): Promise<Record<string, unknown>> {
  const file = compiledOf(module);
  // Sources of this package that are run as they are: nothing is to be compiled.
  const isOwnSource = file.startsWith(packageRoot() + sep) && runsFromSources;
  if (/\.[cm]?js$/.test(file) || isOwnSource) return await import(pathToFileURL(file).href);
  const { createJiti } = await import("jiti");
  // Its cache on disk would be code that others may write to.
  const jiti = createJiti(import.meta.url, { fsCache: false, interopDefault: true });
  return await jiti.import<Record<string, unknown>>(file);
}

const runsFromSources = extname(fileURLToPath(import.meta.url)) === ".ts";

/** A source of this very package is loaded as it was compiled, with the modules of this process. */
function compiledOf(module: string): string {
  if (runsFromSources) return module;
  const inside = relative(packageRoot(), module);
  if (inside.startsWith("..") || !/\.[cm]?ts$/.test(inside)) return module;
  const compiled = join(packageRoot(), "dist", inside.replace(/ts$/, "js"));
  return existsSync(compiled) ? compiled : module;
}

function applicationIn(
  exported: Readonly<Record<string, unknown>>,
  module: string,
): ApplicationSpec {
  const name = basename(module, extname(module));
  for (const value of [exported["default"], exported["application"]]) {
    if (isApplication(value)) return value;
    const plans = plansIn(value);
    if (plans.length > 0) return fromPlans(name, plans);
  }
  const values = Object.values(exported);
  const found = values.filter(isApplication);
  const plans = [...new Set(values.filter(isPlan))];
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only;
  if (found.length === 0 && plans.length > 0) return fromPlans(name, plans);
  const what = found.length > 1 ? "several applications" : "no application and no topology";
  const problems = `- it exports ${what}: write \`export default application({ topologies })\``;
  throw new MillraceError("APPLICATION_INVALID", { application: module, problems });
}

function plansIn(value: unknown): readonly Plan[] {
  if (isPlan(value)) return [value];
  return Array.isArray(value) && value.every(isPlan) ? value : [];
}

function fromPlans(name: string, plans: readonly Plan[]): ApplicationSpec {
  return application({ ...(plans.length > 1 ? { name } : {}), topologies: plans });
}
