import { MillraceError } from "../../schemas/errors.ts";

/** One input of a merge: its rank and which upstream tasks write to it. */
export interface MergeInput {
  readonly rank: number;
  readonly channels: number;
  /** The upstream task of its first channel; those of the others follow. @default 0 */
  readonly firstWriter?: number;
  /**
   * False: nothing waits for it. Its records take their place when they arrive, and that place is a
   * decision. @default true
   */
  readonly awaited?: boolean;
}

/** Channels stand in merge order: by rank, input, writer. Ties in knownAt go to the first. */
export class ChannelOrder {
  /** By channel. */
  readonly rankOf: Float64Array;
  readonly inputOf: Uint16Array;
  readonly writerOf: Uint16Array;
  /** By input its first channel, the writer of that, and how many it has. */
  readonly firstOf: readonly number[];
  readonly #firstWriterOf: readonly number[];
  readonly channelsOf: readonly number[];

  constructor(inputs: readonly MergeInput[]) {
    const order = inputs
      .map(({ rank, channels, firstWriter = 0 }, input) => ({ rank, channels, firstWriter, input }))
      .sort((a, b) => a.rank - b.rank || a.input - b.input);
    const flat = order.flatMap(({ rank, channels, firstWriter, input }) =>
      Array.from({ length: channels }, (_, n) => ({ rank, input, writer: firstWriter + n })),
    );
    this.rankOf = Float64Array.from(flat, ({ rank }) => rank);
    this.inputOf = Uint16Array.from(flat, ({ input }) => input);
    this.writerOf = Uint16Array.from(flat, ({ writer }) => writer);
    this.firstOf = inputs.map((_, input) => flat.findIndex((each) => each.input === input));
    this.#firstWriterOf = inputs.map(({ firstWriter = 0 }) => firstWriter);
    this.channelsOf = inputs.map(({ channels }) => channels);
  }

  get channels(): number {
    return this.rankOf.length;
  }

  /**
   * Number of a channel.
   *
   * @throws {MillraceError} INBOX_DAMAGED when the task has no such channel.
   */
  channelOf(input: number, writer: number): number {
    const channel = this.find(input, writer);
    if (channel !== null) return channel;
    const what = "no such channel";
    throw new MillraceError("INBOX_DAMAGED", { what, input, writer, offset: null });
  }

  /** Null where the task has no such channel. */
  find(input: number, writer: number): number | null {
    const place = writer - (this.#firstWriterOf[input] ?? 0);
    const isThere = place >= 0 && place < (this.channelsOf[input] ?? 0);
    return isThere ? (this.firstOf[input] as number) + place : null;
  }

  /** Input and writer of a channel. */
  placeOf(channel: number): { readonly input: number; readonly writer: number } {
    return {
      input: this.inputOf[channel] as number,
      writer: this.writerOf[channel] as number,
    };
  }
}
