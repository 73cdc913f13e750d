import { ByteWriter } from "../../schemas/bytes.ts";
import { quoteText } from "../../schemas/sql-text.ts";
import { string, stringBytes } from "../row-binary.ts";
import type { OfflineStore, OfflineTable } from "../store.ts";
import { checkSha256, type SharedArtifacts } from "./shared-artifacts.ts";

const table: OfflineTable = {
  name: "artifacts",
  columns: [
    { name: "sha256", type: "String" },
    { name: "bytes", type: "String" },
  ],
  orderBy: ["sha256"],
};

/**
 * Artifacts as rows of a table of the offline store: what there is where machines share neither a
 * directory nor a bucket. A row is inserted under its sha256 as token, so that a retry adds none;
 * one that was added twice in spite of it (after 10,000 others) is the same row.
 */
export function openClickHouseArtifacts(
  offline: Pick<OfflineStore, "migrate" | "insert" | "query">,
): SharedArtifacts {
  let ready: Promise<void> | null = null;
  const prepare = () => {
    ready ??= offline.migrate([table], []).catch((error: unknown) => {
      ready = null;
      throw error;
    });
    return ready;
  };
  return {
    where: `table ${table.name} of the offline store`,
    read: async (sha256) => {
      checkSha256(sha256);
      await prepare();
      const [row] = await offline.query<{ readonly bytes: string }>(
        `SELECT base64Encode(bytes) AS bytes FROM ${table.name} ` +
          `WHERE sha256 = ${quoteText(sha256)} LIMIT 1`,
      );
      return row === undefined ? null : Buffer.from(row.bytes, "base64");
    },
    write: async (sha256, bytes) => {
      checkSha256(sha256);
      await prepare();
      const writer = new ByteWriter(bytes.length + 128);
      string(writer, sha256);
      stringBytes(writer, bytes);
      const rowBinary = writer.take();
      await offline.insert({ table, rowBinary, rows: 1, token: `${table.name}:${sha256}` });
    },
  };
}
