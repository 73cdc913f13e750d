/**
 * The lists of the rooms that have a part of each kind of step. Who adds a kind writes one line, in
 * `steps/kinds.ts`; what a room has of it follows from where its file stands there.
 */
export interface KindList {
  /** The list, from the root. */
  readonly path: string;
  readonly comment: string;
  /** From the list, where the part of a kind stands, by the name of its file of facts. */
  readonly part: (file: string) => string;
}

export const kindLists: readonly KindList[] = [
  {
    path: "topologies/dsl/kinds.ts",
    comment: "How each kind of step is checked, compiled and described",
    part: (file) => `./${file}/step.ts`,
  },
  {
    path: "processors/kinds.ts",
    comment: "What the tasks of each kind of step do that has tasks",
    part: (file) => `./${file}.ts`,
  },
  {
    path: "testing/oracle/kinds.ts",
    comment: "What each kind of step yields that yields what the oracle compares",
    part: (file) => `./${file}.ts`,
  },
];

const line = /^export \{ (\w+) \} from "\.\/([a-z-]+)\.ts";$/gm;

/**
 * The text that a list has to have.
 *
 * @param steps - the text of `schemas/steps/kinds.ts`.
 * @param exists - whether the room has a file, from the root.
 */
export function kindListText(
  { path, comment, part }: KindList,
  steps: string,
  exists: (path: string) => boolean,
): string {
  const room = path.slice(0, path.lastIndexOf("/"));
  const lines = [...steps.matchAll(line)].flatMap(([, name, file = ""]) => {
    const from = part(file);
    return exists(`${room}${from.slice(1)}`) ? [`export { ${name} } from "${from}";`] : [];
  });
  const written = "Written by `npm run generate` from `schemas/steps/kinds.ts`";
  return ["/**", ` * ${comment}.`, ` * ${written}.`, " */", ...lines, ""].join("\n");
}
