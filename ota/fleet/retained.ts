// What a broker retains, by device: bounded in all, and fairly. A device may have more than its share only while nobody else needs the
// room; of those that have no more than that, whoever came first keeps what it has.
// Pure: broker.ts publishes and removes.

export type RetainedLimits = { retainedBytes: number; retainedShareBytes: number };
type Device = { at: Map<string, number>; weights: Map<string, number>; bytes: number };

/** What a broker needs for each beside topic and payload. */
const overheadBytes = 128;
export const weightOf = (topic: string, payload: string | Uint8Array): number =>
  topic.length + payload.length + overheadBytes;

const none: ReadonlyMap<string, number> = new Map();

export class Retained {
  readonly #limits: RetainedLimits;
  /** In the order in which they came. */
  readonly #devices = new Map<string, Device>();
  #bytes = 0;

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When each of a device's topics was kept. */
  of(device: string): ReadonlyMap<string, number> {
    return this.#devices.get(device)?.at ?? none;
  }

  /**
   * Makes room for a message, and counts it. Returns the topics that others, or it, have to give up for it; undefined if there is no room for
   * it. The topics of devices that are no members go first.
   */
  keep(
    device: string,
    topic: string,
    weight: number,
    { now, isMember }: { now: number; isMember(device: string): boolean },
  ): string[] | undefined {
    const before = this.#devices.get(device)?.weights.get(topic) ?? 0;
    let tooMany = this.#bytes - before + weight - this.#limits.retainedBytes;
    const wanted = (this.#devices.get(device)?.bytes ?? 0) - before + weight;
    const left = new Map([...this.#devices].map(([id, { bytes, weights }]) => [id, { bytes, topics: [...weights] }]));
    const given: [device: string, topic: string][] = [];
    while (tooMany > 0) {
      const loser = this.#loser(device, wanted, left, isMember);
      const [oldest, size] = (loser !== undefined && left.get(loser)?.topics.shift()) || [];
      if (loser === undefined || oldest === undefined || size === undefined) return undefined;
      left.get(loser)!.bytes -= size;
      tooMany -= size;
      given.push([loser, oldest]);
    }
    for (const [loser, oldest] of given) this.drop(loser, oldest);
    this.#put(device, topic, weight, now);
    return given.map(([, oldest]) => oldest);
  }

  drop(device: string, topic: string): void {
    const of = this.#devices.get(device);
    if (!of) return;
    const weight = of.weights.get(topic) ?? 0;
    of.bytes -= weight;
    this.#bytes -= weight;
    of.at.delete(topic);
    of.weights.delete(topic);
    if (of.at.size === 0) this.#devices.delete(device);
  }

  #put(device: string, topic: string, weight: number, now: number): void {
    const of = this.#devices.get(device) ?? { at: new Map(), weights: new Map(), bytes: 0 };
    const more = weight - (of.weights.get(topic) ?? 0);
    // Last in its order: the oldest is given up first.
    of.weights.delete(topic);
    of.weights.set(topic, weight);
    of.at.set(topic, now);
    of.bytes += more;
    this.#bytes += more;
    this.#devices.set(device, of);
  }

  /** Who gives something up for `device`, which would have `wanted`; undefined if nobody has to. */
  #loser(
    device: string,
    wanted: number,
    left: ReadonlyMap<string, { bytes: number; topics: unknown[] }>,
    isMember: (device: string) => boolean,
  ): string | undefined {
    const others = [...left].filter(([id, { topics }]) => id !== device && topics.length > 0);
    const gone = others.find(([id]) => !isMember(id));
    if (gone) return gone[0];
    const isAbove = (bytes: number) => bytes > this.#limits.retainedShareBytes;
    const greedy = others.filter(([, { bytes }]) => isAbove(bytes)).sort(([, a], [, b]) => b.bytes - a.bytes)[0];
    if (greedy && greedy[1].bytes >= wanted) return greedy[0];
    if (isAbove(wanted)) return undefined;
    if (greedy) return greedy[0];
    const order = [...this.#devices.keys()];
    const place = order.includes(device) ? order.indexOf(device) : order.length;
    return others.findLast(([id]) => order.indexOf(id) > place)?.[0];
  }
}
