// Subscribers that may be away (MQTT 3.1.1, 3.1.2.4: CleanSession 0), and the QoS 1 messages that wait for each: bounded in number, bytes
// and days, and fair by the device that published, so that none pushes out what others had to say.
// Pure: times are monotonic, in ms. What changes is told to the members that are next in line for the broker, in packets that `hear` reads.
import { z } from "zod";
import { parseJson } from "../../system/files.ts";
import { type BrokerLimits, brokerLimits, covers } from "./access.ts";
import { maxPayloadBytes, maxTopicBytes } from "./topics.ts";

/** `key` tells messages of all brokers apart; `at`: when it was published. `messageId`: it was sent, and may have arrived. */
export type Waiting = { key: string; topic: string; payload: Buffer; at: number; messageId?: number | undefined };
type QoS = 0 | 1;
type Session = {
  filters: Map<string, QoS>;
  queue: Map<string, Waiting>;
  /** Keys of messages that are done with, as many as may wait: another broker may still hold them. */
  done: Set<string>;
  /** Since when it has been away; undefined while it is connected here. */
  awayAt: number | undefined;
  /** Another broker says that there is one, and that one speaks for others only: it takes no room from a client that comes itself. */
  isHearsay: boolean;
};
type Change = { isSession: boolean; puts: Set<string>; dones: Set<string> };
/** What another broker says is believed only so far. */
export type Door = {
  isMember(device: string): boolean;
  mayRead(filter: string): boolean;
  maySay(topic: string, payload: Buffer): boolean;
  /** Whether it may know what this device has said and its programs have got: all else that it tells would be one member's word about another. */
  speaksFor(device: string): boolean;
};

const Client = z.string().regex(/^[a-z0-9-]{1,64}(\.[a-z0-9-]{1,32})?$/);
const Key = z.string().regex(/^[\w:-]{1,40}$/);
const Topic = z.string().min(1).max(maxTopicBytes);
const News = z.discriminatedUnion("t", [
  z.object({
    t: z.literal("session"),
    c: Client,
    f: z.array(z.tuple([Topic, z.union([z.literal(0), z.literal(1)])])).max(64),
    awayMs: z.number().min(0).optional(),
  }),
  z.object({ t: z.literal("put"), c: Client, k: Key, o: Topic, ageMs: z.number().min(0) }),
  z.object({ t: z.literal("done"), c: Client, k: z.array(Key).max(1_000) }),
  z.object({ t: z.literal("end"), c: Client }),
]);
type News = z.infer<typeof News>;

const keysAtOnce = 300;
const overheadBytes = 128;
const weightOf = ({ topic, payload }: Waiting): number => topic.length + payload.length + overheadBytes;
/** `hamlet/<neighborhood>/<device>/...` and `homeassistant/<component>/<device>/...` */
export const sourceOf = (topic: string): string => topic.split("/", 3)[2] ?? "";
export const deviceOf = (client: string): string => client.split(".", 1)[0]!;

type Limits = Pick<
  BrokerLimits,
  "sessions" | "sessionsPerDevice" | "waiting" | "waitingBytes" | "waitingBytesInAll" | "awayMs" | "subscriptions"
>;

export class Sessions {
  readonly #limits: Limits;
  readonly #sessions = new Map<string, Session>();
  #changes = new Map<string, Change>();
  readonly #ended = new Set<string>();

  constructor(limits: Partial<Limits> = {}) {
    this.#limits = { ...brokerLimits, ...limits };
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Whether the broker may keep a session for `client`: a device has few, so that others find room. */
  mayKeep(client: string): boolean {
    return this.#sessions.has(client) || this.#hasRoom(client, ({ isHearsay }) => !isHearsay);
  }

  #hasRoom(client: string, counts: (session: Session) => boolean): boolean {
    const others = [...this.#sessions].flatMap(([one, session]) => (counts(session) ? [one] : []));
    const ofDevice = others.filter((one) => deviceOf(one) === deviceOf(client)).length;
    return ofDevice < this.#limits.sessionsPerDevice && others.length < this.#limits.sessions;
  }

  /** `client` has connected here, or is gone. */
  attend(client: string, isHere: boolean, now: number): void {
    const session = this.#sessions.get(client);
    if (!session) return;
    session.awayAt = isHere ? undefined : now;
    session.isHearsay = false;
    this.#changed(client).isSession = true;
  }

  allAway(now: number): void {
    for (const [client, { awayAt }] of this.#sessions) if (awayAt === undefined) this.attend(client, false, now);
  }

  /** Begins the session of a client that is connected, if there is none. */
  subscribe(client: string, filters: readonly (readonly [string, QoS])[]): void {
    const session = this.#sessions.get(client) ?? this.#beginHere(client);
    session.isHearsay = false;
    for (const [filter, qos] of filters)
      if (session.filters.has(filter) || session.filters.size < this.#limits.subscriptions)
        session.filters.set(filter, qos);
    this.#changed(client).isSession = true;
  }

  unsubscribe(client: string, filters: readonly string[]): void {
    const session = this.#sessions.get(client);
    if (!session) return;
    for (const filter of filters) session.filters.delete(filter);
    this.#changed(client).isSession = true;
  }

  end(client: string): void {
    if (!this.#sessions.delete(client)) return;
    this.#changes.delete(client);
    this.#ended.add(client);
  }

  filtersOf(client: string): [string, QoS][] {
    return [...(this.#sessions.get(client)?.filters ?? [])];
  }

  /** The sessions for which a message with QoS 1 on `topic` waits. */
  readersOf(topic: string): string[] {
    return [...this.#sessions].flatMap(([client, { filters }]) =>
      [...filters].some(([filter, qos]) => qos > 0 && covers(filter, topic)) ? [client] : [],
    );
  }

  put(client: string, message: Waiting): void {
    const session = this.#sessions.get(client);
    if (!session || session.queue.has(message.key) || session.done.has(message.key)) return;
    session.queue.set(message.key, message);
    this.#changed(client).puts.add(message.key);
    const { waiting, waitingBytes, waitingBytesInAll } = this.#limits;
    while (session.queue.size > waiting) this.#dropOldest(client, session, () => 1);
    while (bytesOf(session) > waitingBytes) this.#dropOldest(client, session, weightOf);
    for (;;) {
      const all = [...this.#sessions].map(([id, one]) => ({ id, one, bytes: bytesOf(one) }));
      if (all.reduce((sum, { bytes }) => sum + bytes, 0) <= waitingBytesInAll) return;
      const { id, one } = all.reduce((most, next) => (next.bytes > most.bytes ? next : most));
      this.#dropOldest(id, one, weightOf);
    }
  }

  /** The oldest message of the device that takes the most room here. */
  #dropOldest(client: string, session: Session, measure: (message: Waiting) => number): void {
    const room = new Map<string, number>();
    for (const message of session.queue.values()) {
      const source = sourceOf(message.topic);
      room.set(source, (room.get(source) ?? 0) + measure(message));
    }
    const [greedy] = [...room].reduce((most, next) => (next[1] > most[1] ? next : most));
    for (const { key, topic } of session.queue.values())
      if (sourceOf(topic) === greedy) {
        this.#finish(client, session, key);
        return;
      }
  }

  sent(client: string, key: string, messageId: number): void {
    const queue = this.#sessions.get(client)?.queue;
    const message = queue?.get(key);
    if (!queue || !message) return;
    // An id that an earlier connection has used up may come again.
    for (const other of queue.values()) if (other.messageId === messageId) other.messageId = undefined;
    message.messageId = messageId;
  }

  acknowledged(client: string, messageId: number): Waiting | undefined {
    const session = this.#sessions.get(client);
    for (const message of session?.queue.values() ?? [])
      if (message.messageId === messageId) {
        this.#finish(client, session!, message.key);
        return message;
      }
    return undefined;
  }

  /** The oldest first, also of those that came from another broker later: the last one on a topic is what holds. */
  waiting(client: string): Waiting[] {
    return [...(this.#sessions.get(client)?.queue.values() ?? [])].sort((a, b) => a.at - b.at);
  }

  /** Ends sessions of clients that have been away too long, and of devices that are no members any more. */
  expire(now: number, isMember: (device: string) => boolean): void {
    for (const [client, { awayAt }] of this.#sessions)
      if (!isMember(deviceOf(client)) || (awayAt !== undefined && now - awayAt >= this.#limits.awayMs))
        this.end(client);
  }

  /** What has changed since it was last asked. What came and was acknowledged in between is not told. */
  news(now: number): Buffer[] {
    const told = [...this.#ended].map((c) => packet({ t: "end", c }));
    for (const [client, { isSession, puts, dones }] of this.#changes) {
      const session = this.#sessions.get(client)!;
      if (isSession) told.push(sessionPacket(client, session, now));
      told.push(...donePackets(client, [...dones]));
      for (const key of puts) told.push(...putPackets(client, session.queue.get(key), now));
    }
    this.#ended.clear();
    this.#changes = new Map();
    return told;
  }

  /** Everything, for one who knows nothing yet. */
  all(now: number): Buffer[] {
    return [...this.#sessions].flatMap(([client, session]) => [
      sessionPacket(client, session, now),
      ...donePackets(client, [...session.done]),
      ...[...session.queue.values()].flatMap((message) => putPackets(client, message, now)),
    ]);
  }

  /**
   * For a file: without what is done with, which changes all the time, and of what waits no more than `mostBytes`, the newest of each
   * publisher in each session in turn, the short ones first.
   */
  forFile(now: number, mostBytes: number): Buffer[] {
    const piles = [...this.#sessions.values()].flatMap(({ queue }) =>
      [...Map.groupBy(queue.values(), ({ topic }) => sourceOf(topic)).values()].map((pile) => pile.reverse()),
    );
    const kept = new Set<Waiting>();
    let left = mostBytes;
    for (let round = 0; piles.some((pile) => round < pile.length); round++) {
      const next = piles.flatMap((pile) => pile[round] ?? []).sort((a, b) => weightOf(a) - weightOf(b));
      for (const message of next) {
        if (weightOf(message) > left) continue;
        left -= weightOf(message);
        kept.add(message);
      }
    }
    return [...this.#sessions].flatMap(([client, session]) => [
      sessionPacket(client, session, now),
      ...[...session.queue.values()].flatMap((message) => (kept.has(message) ? putPackets(client, message, now) : [])),
    ]);
  }

  /** Takes in what another broker has told, or a file. Bytes that are no news are passed over. */
  hear(bytes: Uint8Array, door: Door, now: number): void {
    const [news, payload] = unpack(bytes);
    if (!news || !door.isMember(deviceOf(news.c))) return;
    const session = this.#sessions.get(news.c);
    const isKnown = door.speaksFor(deviceOf(news.c));
    switch (news.t) {
      case "session":
        if (isKnown || !session) this.#hearSession(news, session, door, now);
        break;
      case "put":
        if (door.speaksFor(sourceOf(news.o)) && door.maySay(news.o, payload))
          this.put(news.c, { key: news.k, topic: news.o, payload, at: now - news.ageMs });
        break;
      case "done":
        if (session && isKnown) for (const key of news.k) this.#finish(news.c, session, key);
        break;
      case "end":
        // One that is connected here knows better.
        if (isKnown && session?.awayAt !== undefined) this.end(news.c);
        break;
    }
  }

  #hearSession(
    { c, f, awayMs = 0 }: News & { t: "session" },
    known: Session | undefined,
    door: Door,
    now: number,
  ): void {
    if (!known && !this.#hasRoom(c, () => true)) return;
    const session = known ?? this.#begin(c, now - awayMs);
    session.isHearsay = !door.speaksFor(deviceOf(c));
    if (session.awayAt === undefined) return;
    session.awayAt = Math.max(session.awayAt, now - awayMs);
    const allowed = f.filter(([filter]) => door.mayRead(filter));
    session.filters = new Map(allowed.slice(0, this.#limits.subscriptions));
    this.#changed(c).isSession = true;
  }

  #beginHere(client: string): Session {
    // What is only told of this device goes first.
    const rank = (one: string) => (deviceOf(one) === deviceOf(client) ? 0 : 1);
    const told = [...this.#sessions].flatMap(([one, { isHearsay }]) => (isHearsay ? [one] : []));
    for (const one of told.sort((a, b) => rank(a) - rank(b))) {
      if (this.#hasRoom(client, () => true)) break;
      this.end(one);
    }
    return this.#begin(client, undefined);
  }

  #begin(client: string, awayAt: number | undefined): Session {
    const session: Session = { filters: new Map(), queue: new Map(), done: new Set(), awayAt, isHearsay: false };
    this.#sessions.set(client, session);
    this.#ended.delete(client);
    return session;
  }

  #finish(client: string, session: Session, key: string): void {
    session.queue.delete(key);
    session.done.add(key);
    for (const old of session.done) {
      if (session.done.size <= this.#limits.waiting) break;
      session.done.delete(old);
    }
    const { puts, dones } = this.#changed(client);
    if (!puts.delete(key)) dones.add(key);
  }

  #changed(client: string): Change {
    const change = this.#changes.get(client) ?? { isSession: false, puts: new Set(), dones: new Set() };
    this.#changes.set(client, change);
    return change;
  }
}

const bytesOf = ({ queue }: Session): number => {
  let sum = 0;
  for (const message of queue.values()) sum += weightOf(message);
  return sum;
};

const lineEnd = 0x0a;
const packet = (news: News, payload: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([Buffer.from(`${JSON.stringify(news)}\n`), payload]);

const sessionPacket = (c: string, { filters, awayAt }: Session, now: number): Buffer =>
  packet({ t: "session", c, f: [...filters], ...(awayAt !== undefined && { awayMs: Math.max(0, now - awayAt) }) });

function putPackets(c: string, message: Waiting | undefined, now: number): Buffer[] {
  if (!message) return [];
  const { key, topic, payload, at } = message;
  return [packet({ t: "put", c, k: key, o: topic, ageMs: Math.max(0, now - at) }, payload)];
}

function donePackets(c: string, keys: string[]): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < keys.length; at += keysAtOnce)
    packets.push(packet({ t: "done", c, k: keys.slice(at, at + keysAtOnce) }));
  return packets;
}

function unpack(bytes: Uint8Array): [News | undefined, Buffer] {
  const whole = Buffer.from(bytes);
  const end = whole.indexOf(lineEnd);
  const payload = end < 0 ? Buffer.alloc(0) : whole.subarray(end + 1);
  const news = News.safeParse(parseJson(whole.subarray(0, Math.max(0, end)).toString()));
  return [news.success && payload.length <= maxPayloadBytes ? news.data : undefined, payload];
}
