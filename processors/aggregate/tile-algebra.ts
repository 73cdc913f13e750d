import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Algebra } from "./algebra.ts";

/**
 * One aggregate as an algebra over tiles: records are put in one by one, and leave as the part that
 * a tile merged. The state is bounded whatever the number of records, and can be written.
 */
export interface TileAlgebra<State, Value = number> extends Omit<Algebra<State, Value>, "retract"> {
  /** Adds the records of `other`, which stays as it is: associative and commutative. */
  merge(state: State, other: State): void;
  /**
   * Takes out a part that was put in before. False when the state cannot tell what is left: it must
   * then be merged anew from the remaining parts. Parts leave in the order of their times.
   */
  remove(state: State, part: State): boolean;
  /** All of the state: what `read` makes of it goes on byte for byte. */
  write(state: State, writer: ByteWriter): void;
  read(reader: ByteReader): State;
}
