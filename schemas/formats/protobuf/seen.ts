/** Which of some fields have been met since the last beginning. */
export class Seen {
  readonly #names: string[] = [];
  readonly #rounds: number[] = [];
  #round = 0;
  #left = 0;

  /** Adds a field; gives what is called when it is met. */
  mark(name: string): () => void {
    const index = this.#names.push(name) - 1;
    this.#rounds.push(0);
    return () => {
      if (this.#rounds[index] === this.#round) return;
      this.#rounds[index] = this.#round;
      this.#left--;
    };
  }

  begin(): void {
    this.#round++;
    this.#left = this.#names.length;
  }

  /** The first field that was not met; null: all were. */
  missing(): string | null {
    if (this.#left === 0) return null;
    return this.#names.find((_, index) => this.#rounds[index] !== this.#round) ?? null;
  }
}
