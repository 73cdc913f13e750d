import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { ModelAnswer } from "../../schemas/payload.ts";

/** Rows in a row that a model may fail at before it is put aside. */
export const failuresInARow = 10;

/** A model that answers; "" is none. */
export interface ModelInForce {
  readonly version: string;
  /** sha256 of its ONNX artifact. */
  readonly artifact: string;
}

interface ComingModel extends ModelInForce {
  readonly effectiveFrom: number;
}

const none: ModelInForce = Object.freeze({ version: "", artifact: "" });

/**
 * Which model is in force. A promoted one is from after its effectiveFrom on, until the next one.
 * One that fails at {@link failuresInARow} rows without an answer between them is put aside: it
 * answers nothing any more, and the fallback does until the next one. Rows are told in the order of
 * their triggers, so it is decided by the input, however rows were gathered for the model.
 */
export class ModelRegister {
  #current: ModelInForce = none;
  /** Promoted models that are not in force yet, oldest first. */
  #coming: ComingModel[] = [];
  /** Failures in a row by version, of those that have any. */
  readonly #failures = new Map<string, number>();
  #news: string[] = [];

  promote({
    effectiveFrom,
    version,
    sha256,
  }: Pick<ModelAnswer, "effectiveFrom" | "version" | "sha256">): void {
    this.#coming.push({ effectiveFrom, version, artifact: sha256 });
  }

  /** The model for what is known at `knownAt`, which never falls; also one that is put aside. */
  at(knownAt: number): ModelInForce {
    let next = this.#coming[0];
    while (next !== undefined && next.effectiveFrom < knownAt) {
      this.#current = next;
      this.#coming.shift();
      next = this.#coming[0];
    }
    return this.#current;
  }

  isAside(version: string): boolean {
    return this.#failures.size > 0 && (this.#failures.get(version) ?? 0) >= failuresInARow;
  }

  answered(version: string): void {
    if (this.#failures.size > 0) this.#failures.delete(version);
  }

  failed(version: string): void {
    const failures = (this.#failures.get(version) ?? 0) + 1;
    this.#failures.set(version, failures);
    if (failures === failuresInARow) this.#news.push(version);
  }

  /** No row is on its way to a model: what earlier ones failed at no longer matters. */
  settled(): void {
    for (const version of this.#failures.keys()) {
      if (version !== this.#current.version) this.#failures.delete(version);
    }
  }

  /** Versions that have been put aside since the last call. */
  takeNews(): readonly string[] {
    const news = this.#news;
    if (news.length > 0) this.#news = [];
    return news;
  }

  snapshot(writer: ByteWriter): void {
    writer.text(this.#current.version);
    writer.text(this.#current.artifact);
    writer.u32(this.#failures.get(this.#current.version) ?? 0);
    writer.u16(this.#coming.length);
    for (const { effectiveFrom, version, artifact } of this.#coming) {
      writer.f64(effectiveFrom);
      writer.text(version);
      writer.text(artifact);
    }
  }

  restore(reader: ByteReader): void {
    this.#current = { version: reader.text(), artifact: reader.text() };
    this.#failures.clear();
    const failures = reader.u32();
    if (failures > 0) this.#failures.set(this.#current.version, failures);
    this.#coming = Array.from({ length: reader.u16() }, () => ({
      effectiveFrom: reader.f64(),
      version: reader.text(),
      artifact: reader.text(),
    }));
  }
}
