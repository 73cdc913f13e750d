import { MillraceError } from "../../schemas/errors.ts";
import type { GroupMember, GroupOptions, MemberIdentity } from "../broker.ts";
import type { GroupCoordinator, Joined } from "./group-coordinator.ts";

/** A membership in a group of the embedded broker. */
export class EmbeddedMember implements GroupMember {
  readonly #group: GroupCoordinator;
  readonly #options: GroupOptions;
  readonly #listeners: (() => void)[] = [];
  #joined: Joined | null = null;
  #lost = false;
  #left = false;
  #replaced = false;

  private constructor(group: GroupCoordinator, options: GroupOptions) {
    this.#group = group;
    this.#options = options;
  }

  static async join(group: GroupCoordinator, options: GroupOptions): Promise<EmbeddedMember> {
    const member = new EmbeddedMember(group, options);
    await member.rejoin();
    return member;
  }

  get identity(): MemberIdentity {
    return this.#current().identity;
  }

  get assignment(): Buffer {
    return this.#current().assignment;
  }

  onLost(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#lost) queueMicrotask(listener);
  }

  async rejoin(): Promise<void> {
    if (this.#left || this.#replaced) {
      const context = { group: this.#options.group, member: this.identity.memberId };
      throw new MillraceError("UNKNOWN_MEMBER", context);
    }
    this.#lost = false;
    const previous = this.#joined?.identity ?? null;
    this.#joined = await this.#group.join(previous, this.#options, {
      lost: () => this.#lose(),
      replaced: () => {
        this.#replaced = true;
      },
    });
  }

  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    this.#group.leave(this.identity);
  }

  #lose(): void {
    if (this.#left || this.#lost) return;
    this.#lost = true;
    for (const listener of this.#listeners) listener();
  }

  #current(): Joined {
    if (this.#joined === null) throw new RangeError("the member has not joined");
    return this.#joined;
  }
}
