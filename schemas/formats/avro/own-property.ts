/** Sets a property of any name, `__proto__` too. */
export function setOwn(object: object, name: string, value: unknown): void {
  const property = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(object, name, property);
}
