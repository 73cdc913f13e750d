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

  /** One row, whose vector stands in `vectors` already. */
  add(model: ModelInForce, sourcePartition: number, sourceOffset: number): void {
    this.#versionOf.push(this.#indexOf(model));
    this.#sourcePartitions.push(sourcePartition);
    this.#sourceOffsets.push(sourceOffset);
  }

  work(putAside: readonly string[]): ExternalWork<ScoreWork> {
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
        putAside,
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
    const last = this.#versions.length - 1;
    if (last >= 0 && this.#versions[last] === version) return last;
    this.#versions.push(version);
    this.#artifacts.push(artifact);
    return last + 1;
  }
}
