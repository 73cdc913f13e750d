import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

type SameClass = (one: object, other: object) => boolean;

/**
 * Whether V8 gave two objects one hidden class. What one expression makes again and again has one,
 * unless each making makes a class anew: so does a literal that begins with a spread of other
 * names and goes on to add some. That takes microseconds, and the class stands in old space.
 */
const haveOneClass: SameClass = (() => {
  setFlagsFromString("--allow-natives-syntax");
  try {
    const same = new Script("(one, other) => %HaveSameMap(one, other)").runInThisContext();
    // It is compiled when it is first called.
    same({}, {});
    return same as SameClass;
  } finally {
    setFlagsFromString("--no-allow-natives-syntax");
  }
})();

/** Whether objects that are made by turns have one hidden class, once V8 has seen some. */
export async function makesOneClass(make: () => object | Promise<object>): Promise<boolean> {
  for (let i = 0; i < 50; i++) await make();
  return haveOneClass(await make(), await make());
}
