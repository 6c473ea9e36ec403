// Who is here since when, as this device sees it: by that it judges for whom a member may speak that hosted a broker elsewhere.
// Pure: times are monotonic, in ms.

/** A split heals within seconds; whoever comes later was apart for another reason. */
const togetherMs = 60_000;

export class Presence {
  readonly #self: string;
  readonly #startedAt: number;
  /** When each other member was last alive to us, and since when those are that are. */
  readonly #lastAt = new Map<string, number>();
  #since: ReadonlyMap<string, number> = new Map();

  constructor(self: string, now: number) {
    this.#self = self;
    this.#startedAt = now;
  }

  /** Members that were away and are alive again, and when they were last here: each may have hosted a broker meanwhile. */
  look(alive: readonly string[], isMember: (id: string) => boolean, now: number): [id: string, before: number][] {
    const others = [...new Set(alive)].filter((id) => id !== this.#self);
    const returned = others.filter((id) => !this.#since.has(id));
    const before = returned.map((id): [string, number] => [id, this.#lastAt.get(id) ?? Number.NEGATIVE_INFINITY]);
    this.#since = new Map(others.map((id) => [id, this.#since.get(id) ?? now]));
    for (const id of others) this.#lastAt.set(id, now);
    for (const id of this.#lastAt.keys()) if (!isMember(id)) this.#lastAt.delete(id);
    return before;
  }

  /**
   * Whether `member` has just returned and may have hosted the broker of `device`: they were apart from us together, and no lower id was
   * with them. Whoever was here all the time had nothing to do with a broker elsewhere.
   */
  mayHaveHosted(member: string, device: string, now: number): boolean {
    if (member === device) return true;
    const at = this.#since.get(member);
    if (at === undefined || now - at > togetherMs) return false;
    const cameAlong = (id: string) => (this.#since.get(id) ?? Number.NEGATIVE_INFINITY) >= at - togetherMs;
    if ([...this.#since.keys()].some((id) => id < member && cameAlong(id))) return false;
    // Then we were away ourselves, and so we know of nobody where it was.
    const wasOurAbsence = at - this.#startedAt < togetherMs;
    return cameAlong(device) || (wasOurAbsence && !this.#since.has(device));
  }
}
