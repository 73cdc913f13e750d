import type { ValueOutput } from "../../schemas/feature-view.ts";
import {
  type AggregateKind,
  type AggregateOptions,
  define,
  type Scalar,
  type ValueAggregate,
} from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import {
  type ChosenValue,
  chosenCodec,
  doubles,
  type FieldValues,
  inOrder,
  valuesOf,
} from "./field-values.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

interface Algebras<V> {
  readonly exact: Algebra<ChosenValue<V>, V>;
  readonly tiled: TileAlgebra<ChosenValue<V>, V>;
}

function algebrasOf<V>(of: FieldValues<V>): Algebras<V> {
  /** Of values of one instant the largest is the last: the order of arrival does not show. */
  function take(state: ChosenValue<V>, values: number, time: number, value: V): void {
    state.values += values;
    if (time < state.time) return;
    if (time === state.time && of.compare(value, state.value) <= 0) return;
    state.time = time;
    state.value = value;
  }

  /** Takes out what is older than all that stays, so that the last stays until all is out. */
  function takeOut(state: ChosenValue<V>, values: number): void {
    state.values -= values;
    if (state.values > 0) return;
    state.time = Number.NEGATIVE_INFINITY;
    state.value = of.none;
  }

  const exact: Algebra<ChosenValue<V>, V> = {
    stateName: "last",
    prepare: () => ({ values: 0, time: Number.NEGATIVE_INFINITY, value: of.none }),
    update(state, value, time) {
      if (!of.isNone(value)) take(state, 1, time, of.plain(value));
    },
    retract(state, value) {
      if (!of.isNone(value)) takeOut(state, 1);
    },
    finalize: (state) => state.value,
  };
  const tiled: TileAlgebra<ChosenValue<V>, V> = {
    ...exact,
    merge(state, other) {
      if (other.values > 0) take(state, other.values, other.time, other.value);
    },
    remove(state, part) {
      takeOut(state, part.values);
      return true;
    },
    ...chosenCodec(of),
  };
  return { exact, tiled };
}

const { exact, tiled } = algebrasOf(doubles);

function ofValues(type: ValueOutput): ValueAggregate {
  return {
    ...algebrasOf(valuesOf(type)),
    naive(values, times) {
      const newest = Math.max(...times);
      return inOrder(values.filter((_, i) => times[i] === newest)).at(-1) ?? null;
    },
  };
}

/**
 * The value of the newest record, of several at one instant the largest; null without values. It is
 * of the type of its field: texts by the bytes of their UTF-8, whole numbers without loss.
 */
export const last = {
  kind: "last",
  input: "value",
  output: "value",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Scalar<F> & R, F>("last", { field }, options),
  exact: () => exact,
  tiled: () => tiled,
  naive(values, _, times) {
    const newest = Math.max(...times);
    const at = values.filter((__, i) => times[i] === newest);
    return at.length === 0 ? null : Math.max(...at) + 0;
  },
  ofValues,
  sql: ({ value, time, inside }) => `argMaxIf(${value}, (${time}, ${value}), ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
