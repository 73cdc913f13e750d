import type { ByteReader } from "../../schemas/bytes.ts";
import type { ModelChange } from "../../schemas/model-change.ts";
import type { ModelRoutes } from "../../schemas/model-routes.ts";
import { rowResultBytes } from "./score-work.ts";

/** A champion or routes that somebody has named, as a scoring task is told of it. */
export interface ChampionNews {
  /** Its number among the changes of the model that say who answers, from 1. */
  readonly number: number;
  /** In force for what is known after it, UTC ms. */
  readonly effectiveFrom: number;
  /** "" where the champion stays. */
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly sha256: string;
  /** Who answers besides. @default nobody: what there was ends */
  readonly routes?: ModelRoutes;
}

/** What a change says of who answers. */
export function newsOf(change: ModelChange, number: number): ChampionNews {
  const { effectiveFrom, champion, version, sha256, routes } = change;
  const named = champion ? { version, sha256 } : { version: "", sha256: "" };
  return { number, effectiveFrom, ...named, ...(routes && { routes }) };
}

/** The result of work with news behind that of its rows. */
export function withNews(rowResults: Buffer, news: readonly ChampionNews[]): Buffer {
  const json = Buffer.from(JSON.stringify(news), "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([rowResults, length, json]);
}

/** The news behind the results of so many rows; null: it was not asked, or had no time to say. */
export function newsIn(result: Buffer, rows: number): readonly ChampionNews[] | null {
  const start = rows * rowResultBytes;
  if (result.length <= start) return null;
  return JSON.parse(result.toString("utf8", start + 4)) as ChampionNews[];
}

/** Reads what is left of a result as news; null where nothing is. */
export function readNews(result: ByteReader): readonly ChampionNews[] | null {
  if (result.position >= result.end) return null;
  return JSON.parse(result.bytes().toString("utf8")) as ChampionNews[];
}
