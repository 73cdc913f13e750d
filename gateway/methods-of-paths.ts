import type { FastifyInstance } from "fastify";

/**
 * Notes every route that a server is given from here on, and tells which methods a path has, in
 * order; none: no route fits it.
 */
export function methodsOfPaths(server: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly methods: readonly string[]; readonly template: readonly string[] }[] =
    [];
  // HEAD, which Fastify adds to every GET, comes by here as well.
  server.addHook("onRoute", ({ method, url }) => {
    routes.push({ methods: [method].flat(), template: url.split("/") });
  });
  return (path) => {
    const parts = path.split("/").map(decoded);
    const found = routes.filter(({ template }) => fits(template, parts));
    return [...new Set(found.flatMap(({ methods }) => methods))].sort();
  };
}

/** As the router has it: a parameter is a part, also an empty one, and `*` is all that is left. */
function fits(template: readonly string[], parts: readonly string[]): boolean {
  const named = template.at(-1) === "*" ? template.slice(0, -1) : template;
  const hasRoom = named === template ? parts.length === named.length : parts.length > named.length;
  return hasRoom && named.every((each, index) => each.startsWith(":") || each === parts[index]);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
