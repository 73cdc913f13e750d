import type { Broker, GroupMember, GroupOptions, MemberIdentity } from "../broker/broker.ts";
import { MillraceError, policyOf } from "../schemas/errors.ts";

/**
 * The place of a process in a group that shares partitions or other work: workers, pumps and the
 * purger own what they own by it, in {@link turn}s. When it is lost every ownership is over: who
 * has it looks at {@link lost} before each thing that only an owner may do, and joins again, for
 * the others wait for it.
 */
export class GroupPlace {
  readonly #member: GroupMember;
  #lost = false;
  #rejoinedForMissing = false;
  #tell: () => void = () => {};

  private constructor(member: GroupMember) {
    this.#member = member;
    member.onLost(() => {
      this.#lost = true;
      this.#tell();
    });
  }

  /** The first assignment is ready when it resolves. */
  static async join(broker: Broker, options: GroupOptions): Promise<GroupPlace> {
    return new GroupPlace(await broker.join(options));
  }

  get identity(): MemberIdentity {
    return this.#member.identity;
  }

  get assignment(): Buffer {
    return this.#member.assignment;
  }

  /** Whether {@link rejoin} is due. */
  get lost(): boolean {
    return this.#lost;
  }

  /** @param tell - called when it is lost, also where it is already. */
  onLost(tell: () => void): void {
    this.#tell = tell;
    if (this.#lost) queueMicrotask(tell);
  }

  /**
   * A new assignment; where it fails it is still due.
   *
   * @param then - what belongs to it: where that fails it is still due, too. @default nothing
   */
  async rejoin(then: () => Promise<void> = async () => {}): Promise<void> {
    this.#lost = false;
    try {
      await this.#member.rejoin();
      await then();
    } catch (error) {
      this.#lost = true;
      throw error;
    }
  }

  /** Whether an error says that the place is lost: then it is. */
  endedBy(error: unknown): boolean {
    if (policyOf(error) !== "rejoin") return false;
    this.#lost = true;
    return true;
  }

  /**
   * Whether joining again may cure an error: what is missing may have been deleted by a new owner,
   * behind the back of a process that hung. Then it is due. Once; where it does not, it is lost.
   */
  curedByRejoining(error: unknown): boolean {
    const missing = error instanceof MillraceError && error.code === "OFFSET_OUT_OF_RANGE";
    if (!missing || this.#rejoinedForMissing) return false;
    this.#rejoinedForMissing = true;
    this.#lost = true;
    return true;
  }

  /**
   * One turn of an owner: where the place is lost, it takes over its new share; else it works. What
   * ends ownership meanwhile, and what joining again may cure, is no error but the end of the turn:
   * the next one takes over.
   *
   * @param takeOver - drops what was owned, {@link rejoin}s, and makes the new share ready.
   * @returns what the work gives; null where none was done, or it was ended.
   */
  async turn<T>(takeOver: () => Promise<void>, work: () => Promise<T>): Promise<T | null> {
    const isOwner = !this.#lost;
    try {
      if (isOwner) return await work();
      await takeOver();
    } catch (error) {
      if (isOwner && this.endedBy(error)) return null;
      if (!this.curedByRejoining(error)) throw error;
    }
    return null;
  }

  /** What it owns was there: what is missing from now on may be cured anew. */
  worked(): void {
    this.#rejoinedForMissing = false;
  }

  leave(): Promise<void> {
    return this.#member.leave();
  }
}
