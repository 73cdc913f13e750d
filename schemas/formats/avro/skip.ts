import type { AvroInput } from "./avro-input.ts";
import { fail } from "./avro-input.ts";
import type { AvroRecord, AvroType, AvroUnion } from "./avro-types.ts";

/** Passes over one value. */
export type Skip = (input: AvroInput) => void;

/**
 * How values of written types are passed over. What always has the same size, also that of no
 * bytes at all, is passed in one step however often it comes.
 */
export class Skips {
  readonly #known = new Map<AvroType, Skip>();
  readonly #sizes = new Map<AvroType, number | null>();

  of(type: AvroType): Skip {
    const known = this.#known.get(type);
    if (known !== undefined) return known;
    // A type that holds itself finds this one, which by then knows what to do.
    let make: Skip | null = null;
    this.#known.set(type, (input) => make?.(input));
    make = this.#make(type);
    this.#known.set(type, make);
    return make;
  }

  /** Bytes of every value of a type; null where they differ. */
  sizeOf(type: AvroType): number | null {
    const known = this.#sizes.get(type);
    if (known !== undefined) return known;
    this.#sizes.set(type, null);
    const size = this.#size(type);
    this.#sizes.set(type, size);
    return size;
  }

  #size(type: AvroType): number | null {
    switch (type.kind) {
      case "null":
        return 0;
      case "boolean":
        return 1;
      case "float":
        return 4;
      case "double":
        return 8;
      case "fixed":
        return type.size;
      case "record": {
        let sum = 0;
        for (const field of type.fields) {
          const size = this.sizeOf(field.type);
          if (size === null) return null;
          sum += size;
        }
        return sum;
      }
      default:
        return null;
    }
  }

  #make(type: AvroType): Skip {
    const size = this.sizeOf(type);
    if (size !== null) return (input) => void input.skip(size);
    switch (type.kind) {
      case "bytes":
      case "string":
        return (input) => void input.skipSized();
      case "array":
        return this.#blocks(type.items, false);
      case "map":
        return this.#blocks(type.values, true);
      case "record":
        return this.#record(type);
      case "union":
        return this.#union(type);
      default:
        return (input) => void input.long();
    }
  }

  #blocks(items: AvroType, keyed: boolean): Skip {
    const size = keyed ? null : this.sizeOf(items);
    const skip = this.of(items);
    return (input) => {
      input.descend(1);
      for (;;) {
        const count = input.skipBlock();
        if (count === 0) break;
        if (size !== null) {
          if (count > 0) input.skip(count * size);
          continue;
        }
        for (let item = 0; item < count; item++) {
          if (keyed) input.skipSized();
          skip(input);
        }
      }
      input.ascend();
    };
  }

  #record({ fields }: AvroRecord): Skip {
    const skips: Skip[] = [];
    let fixed = 0;
    for (const { type } of fields) {
      const size = this.sizeOf(type);
      if (size !== null) {
        fixed += size;
        continue;
      }
      if (fixed > 0) skips.push(bytesSkip(fixed));
      fixed = 0;
      skips.push(this.of(type));
    }
    if (fixed > 0) skips.push(bytesSkip(fixed));
    return (input) => {
      input.descend(skips.length);
      for (let i = 0; i < skips.length; i++) (skips[i] as Skip)(input);
      input.ascend();
    };
  }

  #union({ branches }: AvroUnion): Skip {
    const skips = branches.map((branch) => this.of(branch));
    return (input) => {
      input.descend(1);
      branchOf(skips, input)(input);
      input.ascend();
    };
  }
}

/** What stands for the branch that a union's value names. */
export function branchOf<T>(branches: readonly T[], input: AvroInput): T {
  const index = input.long();
  return branches[index as number] ?? fail(`a union of ${branches.length} has no branch ${index}`);
}

function bytesSkip(size: number): Skip {
  return (input) => void input.skip(size);
}
