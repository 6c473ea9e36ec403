// Where the neighborhood's broker runs: on the member with the lowest live id. Each member works that out by itself,
// and that member starts the broker.

import { brokerLimits } from "../../ota/fleet/access.ts";
import type { Broker } from "../../ota/fleet/broker.ts";
import { doorOf, type Kept } from "../../ota/fleet/inherit.ts";
import { Sessions, sourceOf } from "../../ota/fleet/sessions.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { Presence } from "./presence.ts";
import type { SessionFile } from "./session-file.ts";
import { copyBroker, Standby } from "./standby.ts";

export type BrokerHostOptions = {
  self: { id: string; neighborhood: string; address: string };
  port: number;
  /** URL of an external broker that replaces ours. */
  external: string | undefined;
  /** Ids of the members that are alive, with or without this one. */
  alive(): string[];
  /** Whether there was time to find others: until then a device on its own hosts nothing. True by default. */
  hasLooked?(): boolean;
  addressOf(id: string): string | undefined;
  idOf(address: string): string | undefined;
  log: Log;
  warnings: Warnings;
  /** How long a broker that gives way to another can still be copied from; 15 s by default. */
  lingerMs?: number;
  /** Where sessions outlive a restart of this device; nowhere by default. */
  sessionFile?: SessionFile;
};

/** The next in line keep what the host retains: more than one, since two devices may share a plug. */
const STANDBYS = 2;
const LINGER_MS = 15_000;

export class BrokerHost {
  readonly #options: BrokerHostOptions;
  readonly #standby: Standby;
  #broker: Broker | undefined;
  /** Until when a broker that is no longer wanted may be copied from by the one that replaces it. */
  #lingersUntil = Number.NEGATIVE_INFINITY;
  readonly #presence: Presence;
  #isStopped = false;
  /** Of our broker, or of the one after which we are next in line. */
  readonly #sessions = new Sessions();
  #hasRead = false;

  constructor(options: BrokerHostOptions) {
    this.#options = options;
    this.#standby = new Standby(options, this.#hearSessions);
    this.#presence = new Presence(options.self.id, performance.now());
  }

  readonly #isMember = (id: string): boolean => {
    const { self, addressOf } = this.#options;
    return id === self.id || addressOf(id) !== undefined;
  };

  /** `speaksFor`: our own file, and the host that we follow, speak for every device. */
  readonly #hearSessions = (news: Uint8Array, speaksFor?: (device: string) => boolean): void => {
    const { neighborhood } = this.#options.self;
    const of = { neighborhood, isMember: this.#isMember, limits: brokerLimits };
    this.#sessions.hear(news, doorOf({ ...of, ...(speaksFor && { speaksFor }) }), performance.now());
  };

  /** The member that runs it; undefined if the broker is external, and while the device still looks for others. */
  id(): string | undefined {
    const { external, self, alive, hasLooked } = this.#options;
    if (external !== undefined) return undefined;
    const others = alive().filter((id) => id !== self.id);
    return others.length > 0 || hasLooked?.() !== false ? [self.id, ...others].sort()[0] : undefined;
  }

  /** Mesh address or URL to connect to. */
  address(): string | undefined {
    const { external, self, addressOf } = this.#options;
    const id = this.id();
    return external ?? (id === self.id ? self.address : id && addressOf(id));
  }

  /** Starts or stops our own broker as needed; called every second. */
  async keep(): Promise<void> {
    await this.#read();
    const isOurs = this.id() === this.#options.self.id;
    const returned = this.#presence.look(this.#options.alive(), this.#isMember, performance.now());
    this.#standby.follow(this.#isNext() ? this.address() : undefined);
    if (!isOurs) return this.#yield();
    this.#lingersUntil = performance.now() + (this.#options.lingerMs ?? LINGER_MS);
    if (this.#broker) for (const [id, before] of returned) void this.#copy(id, before);
    else await this.#start();
    if (this.#broker) await this.#options.sessionFile?.save(this.#sessions, performance.now());
  }

  async #read(): Promise<void> {
    if (this.#hasRead) return;
    this.#hasRead = true;
    for (const news of (await this.#options.sessionFile?.load()) ?? []) this.#hearSessions(news);
  }

  async #start(): Promise<void> {
    const { self, port, idOf, alive, log, warnings } = this.#options;
    const deviceOfAddress = (source: string) => (source === self.address ? self.id : idOf(source));
    try {
      // Only the member that hosts the broker loads it; the others save the time and the memory.
      const { startBroker } = await import("../../ota/fleet/broker.ts");
      this.#broker = await startBroker({
        address: self.address,
        port,
        neighborhood: self.neighborhood,
        deviceOfAddress,
        isMember: this.#isMember,
        sessions: this.#sessions,
        log,
      });
      warnings.clear("broker.unreachable", warned);
      this.#inherit(this.#standby.messages(), performance.now());
      // One of them may be the host that gives way to us.
      for (const id of alive()) void this.#copy(id, performance.now());
    } catch (error) {
      const hint = "free the port, or set telemetry.port on every device";
      warnings.raise("broker.unreachable", describeError(error), hint, warned);
    }
    // It may have been stopped while it started.
    if (this.#isStopped) await this.#end();
  }

  /** Another hosts the broker now. Ours may be copied from for a while: it knows devices that are gone. */
  async #yield(): Promise<void> {
    this.#options.warnings.clear("broker.unreachable", warned);
    if (performance.now() < this.#lingersUntil) return;
    await this.#end();
    this.#sessions.expire(performance.now(), this.#isMember);
    // The host has copied them. Here they would only grow old.
    if (this.id() !== undefined) await this.#options.sessionFile?.remove();
  }

  /** Whether this member would host the broker soon, if those before it died. */
  #isNext(): boolean {
    const { self, external, alive } = this.#options;
    if (external !== undefined) return false;
    const before = alive().filter((id) => id < self.id).length;
    return before > 0 && before <= STANDBYS;
  }

  /** It may know of devices that were with it. Of others its word is one member's about another, and changes nothing that is known. */
  async #copy(id: string, before: number): Promise<void> {
    const { self, addressOf } = this.#options;
    const address = addressOf(id);
    if (id === self.id || address === undefined) return;
    const speaksFor = (device: string) => this.#presence.mayHaveHosted(id, device, performance.now());
    const messages = await copyBroker(this.#options, address, (news) => this.#hearSessions(news, speaksFor));
    const isFirsthand = ({ topic }: Kept) => speaksFor(sourceOf(topic));
    this.#inherit(messages.filter(isFirsthand), before);
    this.#inherit(
      messages.filter((kept) => !isFirsthand(kept)),
      Number.NEGATIVE_INFINITY,
    );
  }

  #inherit(messages: readonly Kept[], before: number): void {
    this.#broker?.inherit(messages, { isMember: this.#isMember, before });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#standby.stop();
    this.#options.warnings.clear("broker.unreachable", warned);
    const isHost = this.#broker !== undefined;
    await this.#end();
    if (isHost) await this.#options.sessionFile?.save(this.#sessions, performance.now(), { isLast: true });
  }

  async #end(): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.stop();
  }
}

/** The subject tells this warning from the client's, which has the same code. */
const warned = "host";
