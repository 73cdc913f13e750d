import type avsc from "avsc";

/**
 * Checks encoded values before avsc reads them. avsc trusts the counts of arrays and maps: a
 * damaged one would make it build billions of items. Only schemas with arrays or maps need it.
 */
export class AvroBounds {
  readonly #type: avsc.Type;
  #buffer: Buffer = Buffer.alloc(0);
  #position = 0;
  #end = 0;

  private constructor(type: avsc.Type) {
    this.#type = type;
  }

  /** null when values of the type cannot be larger than their bytes. */
  static of(type: avsc.Type): AvroBounds | null {
    return hasBlocks(type, new Set()) ? new AvroBounds(type) : null;
  }

  /** Whether one value fills `buffer[start, end)` exactly. */
  holds(buffer: Buffer, start: number, end: number): boolean {
    this.#buffer = buffer;
    this.#position = start;
    this.#end = end;
    return this.#walk(this.#type, 0) && this.#position === end;
  }

  #walk(type: avsc.Type, depth: number): boolean {
    if (depth > maxDepth) return false;
    switch (type.typeName) {
      case "null":
        return true;
      case "boolean":
        return this.#skip(1);
      case "float":
        return this.#skip(4);
      case "double":
        return this.#skip(8);
      case "int":
      case "long":
      case "enum":
        return this.#long() !== null;
      case "bytes":
      case "string":
        return this.#skip(this.#long() ?? -1);
      case "fixed":
        return this.#skip((type as avsc.types.FixedType).size);
      case "array":
        return this.#blocks((type as avsc.types.ArrayType).itemsType, false, depth + 1);
      case "map":
        return this.#blocks((type as avsc.types.MapType).valuesType as avsc.Type, true, depth + 1);
      case "record":
      case "error":
        return (type as avsc.types.RecordType).fields.every((field) =>
          this.#walk(field.type, depth + 1),
        );
      default: {
        const branch = (type as avsc.types.UnwrappedUnionType).types[this.#long() ?? -1];
        return branch !== undefined && this.#walk(branch, depth + 1);
      }
    }
  }

  #blocks(items: avsc.Type, keyed: boolean, depth: number): boolean {
    for (;;) {
      let count = this.#long();
      if (count === null) return false;
      if (count === 0) return true;
      if (count < 0) {
        count = -count;
        if (this.#long() === null) return false;
      }
      if (count > this.#end - this.#position) return false;
      for (let index = 0; index < count; index++) {
        if (keyed && !this.#skip(this.#long() ?? -1)) return false;
        if (!this.#walk(items, depth)) return false;
      }
    }
  }

  #skip(bytes: number): boolean {
    if (bytes < 0 || bytes > this.#end - this.#position) return false;
    this.#position += bytes;
    return true;
  }

  #long(): number | null {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10 && this.#position < this.#end; count++) {
      const byte = this.#buffer[this.#position++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return null;
  }
}

/** Nesting of a recursive schema at most. */
const maxDepth = 200;

function hasBlocks(type: avsc.Type, seen: Set<avsc.Type>): boolean {
  if (seen.has(type)) return false;
  seen.add(type);
  if (type.typeName === "array" || type.typeName === "map") return true;
  const { fields } = type as avsc.types.RecordType;
  if (fields !== undefined) return fields.some((field) => hasBlocks(field.type, seen));
  const { types } = type as avsc.types.UnwrappedUnionType;
  return types?.some((branch) => hasBlocks(branch, seen)) ?? false;
}
