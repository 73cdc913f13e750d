import type { ExternalWork } from "../processor.ts";
import type { ModelInForce } from "./model-register.ts";
import { type ScoreWork, scoreService } from "./score-work.ts";
import { VectorBuffer } from "./vector-buffer.ts";

/** Gathers the rows that wait for their models, each with its place in the input. */
export class ScoreBatch {
  readonly vectors: VectorBuffer;
  #versions: string[] = [];
  #artifacts: string[] = [];
  #versionOf: number[] = [];
  #sourcePartitions: number[] = [];
  #sourceOffsets: number[] = [];

  constructor(width: number) {
    this.vectors = new VectorBuffer(width);
  }

  /** Rows that were added. */
  get rows(): number {
    return this.#versionOf.length;
  }

  /** One row, whose vector stands in `vectors` already. */
  add(model: ModelInForce, sourcePartition: number, sourceOffset: number): void {
    this.#versionOf.push(this.#indexOf(model));
    this.#sourcePartitions.push(sourcePartition);
    this.#sourceOffsets.push(sourceOffset);
  }

  /** Keeps a row of the batch for the next round, in which another model may be asked. */
  keep(row: number, model: ModelInForce, sourcePartition: number, sourceOffset: number): number {
    const kept = this.#versionOf.length;
    this.vectors.move(row, kept);
    this.add(model, sourcePartition, sourceOffset);
    return kept;
  }

  /** Begins the next round: rows that are not kept are over. @see keep */
  again(): void {
    const { rows } = this.vectors;
    this.clear();
    this.vectors.rows = rows;
  }

  work(
    news: Pick<ScoreWork, "putAside" | "asksNews" | "heard" | "knownAt">,
  ): ExternalWork<ScoreWork> {
    const { rows, width, values } = this.vectors;
    return {
      service: scoreService,
      payload: {
        versions: this.#versions,
        artifacts: this.#artifacts,
        versionOf: Uint16Array.from(this.#versionOf),
        rows: values.subarray(0, rows * width),
        features: width,
        sourcePartitions: Uint16Array.from(this.#sourcePartitions),
        sourceOffsets: Float64Array.from(this.#sourceOffsets),
        ...news,
      },
    };
  }

  clear(): void {
    this.vectors.clear();
    this.#versions = [];
    this.#artifacts = [];
    this.#versionOf = [];
    this.#sourcePartitions = [];
    this.#sourceOffsets = [];
  }

  #indexOf({ version, artifact }: ModelInForce): number {
    const known = this.#versions.lastIndexOf(version);
    if (known >= 0) return known;
    this.#artifacts.push(artifact);
    return this.#versions.push(version) - 1;
  }
}
