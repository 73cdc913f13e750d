import { ByteReader } from "./bytes.ts";
import { RowCodec } from "./row-codec.ts";
import type { RowLayout } from "./row-layout.ts";

/** A field of a payload that is read where it stands; none is ever null, a number NaN for it. */
export interface HeadField {
  readonly name: string;
  readonly type: "text" | "number" | "boolean" | "byte";
}

/** What a payload is: fields that are read where they stand, then a row. */
export interface PayloadLayout {
  readonly head: readonly HeadField[];
  readonly rest: RowLayout;
}

/** Where a field stands: so many bytes behind a text, or behind the beginning. */
export interface Place {
  /** Texts before it. */
  readonly texts: number;
  readonly offset: number;
}

const sizes = { number: 8, boolean: 1, byte: 1 } as const;

/**
 * Reads payloads of one layout field by field, without an object for each: places are found once,
 * and who reads a payload knows names and no bytes. One view serves payload after payload.
 *
 * The bytes are those of `row-codec.ts`; a byte stands as it is.
 */
export class PayloadView {
  readonly #places = new Map<string, Place>();
  readonly #texts: readonly Place[];
  readonly #end: Place;
  readonly #rest: RowCodec;
  /** In the payload at hand: where it begins, and where each text ends. */
  readonly #starts: number[];
  #reader = new ByteReader();

  constructor({ head, rest }: PayloadLayout) {
    const texts: Place[] = [];
    let offset = 0;
    for (const { name, type } of head) {
      const place = { texts: texts.length, offset };
      this.#places.set(name, place);
      if (type === "text") texts.push(place);
      offset = type === "text" ? 0 : offset + sizes[type];
    }
    this.#texts = texts;
    this.#end = { texts: texts.length, offset };
    this.#rest = new RowCodec(rest);
    this.#starts = new Array<number>(texts.length + 1).fill(0);
  }

  /**
   * Where a field of the head stands; look it up once.
   *
   * @throws {RangeError} when there is none of the name.
   */
  place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new RangeError(`no payload has the field ${name}`);
    return place;
  }

  /** Takes the payload at which a reader stands in hand; the reader stays the caller's. */
  open(reader: ByteReader): void {
    this.#reader = reader;
    const starts = this.#starts;
    starts[0] = reader.position;
    for (let i = 0; i < this.#texts.length; i++) {
      reader.position = (starts[i] as number) + (this.#texts[i] as Place).offset;
      reader.skipText();
      starts[i + 1] = reader.position;
    }
  }

  text(place: Place): string {
    this.#reader.position = this.#at(place);
    return this.#reader.text();
  }

  number(place: Place): number {
    return this.#reader.buffer.readDoubleLE(this.#at(place));
  }

  byte(place: Place): number {
    return this.#reader.buffer[this.#at(place)] as number;
  }

  boolean(place: Place): boolean {
    return this.byte(place) !== 0;
  }

  /** Copies `count` numbers that stand side by side, from the first one's place on. */
  numbers(first: Place, count: number, target: Float64Array, at: number): void {
    const { buffer } = this.#reader;
    let position = this.#at(first);
    for (let i = at; i < at + count; i++) {
      target[i] = buffer.readDoubleLE(position);
      position += 8;
    }
  }

  /** The row behind the head. */
  row(): Record<string, unknown> {
    this.#reader.position = this.#at(this.#end);
    return this.#rest.read(this.#reader);
  }

  /** Its values, in the order of the layout. */
  values(): unknown[] {
    this.#reader.position = this.#at(this.#end);
    return this.#rest.readValues(this.#reader);
  }

  #at({ texts, offset }: Place): number {
    return (this.#starts[texts] as number) + offset;
  }
}
