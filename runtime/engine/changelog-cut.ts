/** Where a changelog may be cut: below the newest snapshot that is committed. */
export class ChangelogCut {
  /** Of the snapshot in the commit under way, among the partition's records there; −1: none. */
  #place = -1;
  #below: number | null = null;

  /** A snapshot was written into the commit, at this place in its partition. */
  wrote(place: number): void {
    this.#place = place;
  }

  /** The commit stands; its first record in the changelog is at `base`, if it has one there. */
  committed(base: number | undefined): void {
    if (this.#place < 0) return;
    if (base !== undefined) this.#below = base + this.#place;
    this.#place = -1;
  }

  /** The offset below which nothing is needed, once; null while there is none. */
  take(): number | null {
    const below = this.#below;
    this.#below = null;
    return below;
  }
}
