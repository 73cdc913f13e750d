import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { InsertHead } from "../statement.ts";

/** How the process of chDB is started: JSON, its one argument. */
export interface ChdbStart {
  readonly directory: string;
  readonly spoolDirectory: string;
  /** Made if missing, and the one of statements that are sent to none. */
  readonly database: string;
  readonly maxMemoryBytes: number;
  readonly maxQueries: number;
  /** null: no HTTP front. */
  readonly httpPort: number | null;
  /** Password of the HTTP front; made if missing. */
  readonly passwordFile: string;
  /** Bytes of a request's body, unpacked. @default 268435456 */
  readonly maxBodyBytes?: number;
}

/** What the parent asks of the process. */
export type ChdbRequest =
  | {
      readonly kind: "run";
      readonly id: number;
      readonly sql: string;
      readonly format: string;
      /** Null: the one that the process was started with. */
      readonly database: string | null;
      /** @default false */
      readonly readOnly?: boolean;
    }
  | {
      readonly kind: "stream";
      readonly id: number;
      readonly sql: string;
      readonly format: string;
      readonly database: string;
    }
  | {
      readonly kind: "insert";
      readonly id: number;
      readonly insert: InsertHead;
      readonly file: string;
    }
  /** A chunk of the stream was taken. */
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "close" };

/** What the process answers. */
export type ChdbAnswer =
  | { readonly kind: "ready"; readonly httpPort: number | null }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "chunk"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: "done"; readonly id: number; readonly bytes: Uint8Array | null }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

/** Settings of every query that the parent sends. */
export const querySettings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
} as const;

/** Program that serves a directory over HTTP by itself; its argument is a `ChdbStart` in JSON. */
export function chdbServerProgram(): string {
  // The extension is that of this file: .ts as written, .js as built.
  const entry = new URL(`./chdb-server${extname(import.meta.url)}`, import.meta.url);
  return fileURLToPath(entry);
}
