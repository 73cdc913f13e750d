import { isIP } from "node:net";

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
