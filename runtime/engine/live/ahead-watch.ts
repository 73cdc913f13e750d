import type { SourceTask } from "../source-task.ts";

/** A record that lies further beyond the wall clock than is admitted. */
export interface RecordAhead {
  readonly topic: string;
  readonly partition: number;
  readonly aheadMs: number;
  /** Whether it waits; else it was refused. */
  readonly waits: boolean;
}

/** Tells once a source that its producers' clocks are wrong: there is nothing new to say then. */
export class AheadWatch {
  readonly #tell: (ahead: RecordAhead) => void;
  readonly #told = new Set<string>();

  constructor(tell: (ahead: RecordAhead) => void = () => {}) {
    this.#tell = tell;
  }

  look({ subtopology, partition, aheadMs, waitsForClock: waits }: SourceTask): void {
    const { inbox: topic } = subtopology;
    if (aheadMs === 0 || this.#told.has(topic)) return;
    this.#told.add(topic);
    this.#tell({ topic, partition, aheadMs, waits });
  }
}
