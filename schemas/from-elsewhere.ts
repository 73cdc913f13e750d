/** Headers of a request that say where it comes from, as Node gives them. */
interface Headers {
  readonly [name: string]: string | readonly string[] | undefined;
}

const ownHost = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/i;

/**
 * The header by which a request to a port of loopback tells that a page in a browser made it; null:
 * a program of this machine, or its user. Such a page names its origin or its site, or another host
 * when its name was rebound, and cannot hide it.
 */
export function fromElsewhere(headers: Headers): "host" | "origin" | "sec-fetch-site" | null {
  if (!ownHost.test(String(headers["host"] ?? ""))) return "host";
  if (headers["origin"] !== undefined) return "origin";
  const site = headers["sec-fetch-site"];
  const isOwn = site === undefined || site === "none" || site === "same-origin";
  return isOwn ? null : "sec-fetch-site";
}
