import { isIP } from "node:net";
import { MillraceError } from "../schemas/errors.ts";

/** Where a gateway listens. */
export interface ListenAddress {
  /** An address or a name, without brackets. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

/** Whether only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/** As clients write it: `127.0.0.1:8080`, `[::1]:8080`. */
export function shownAddress({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Why nobody can listen there, as PORT_IN_USE or CONFIG_INVALID.
 *
 * @param setting - that names the address.
 */
export function unheard(cause: unknown, address: ListenAddress, setting: string): MillraceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return new MillraceError("PORT_IN_USE", { port: address.port, what: setting }, { cause });
  }
  const problems = `- ${setting}: ${shownAddress(address)}: ${message}`;
  return new MillraceError("CONFIG_INVALID", { count: 1, problems }, { cause });
}
