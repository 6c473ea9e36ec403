// Where the neighborhood's broker is: on the member with the lowest live id. Each member finds that out by itself,
// and the one that it is starts it.
import type { Broker } from "../../ota/fleet/broker.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";

export type BrokerHostOptions = {
  self: { id: string; neighborhood: string; address: string };
  port: number;
  /** URL of an external broker, which replaces ours. */
  external: string | undefined;
  /** Ids of the members that are alive, with or without this one. */
  alive(): string[];
  /** Whether others have had time to be found: until then who is alone hosts nothing. Always, if not given. */
  hasLooked?(): boolean;
  addressOf(id: string): string | undefined;
  idOf(address: string): string | undefined;
  log: Log;
  warnings: Warnings;
};

export class BrokerHost {
  readonly #options: BrokerHostOptions;
  #broker: Broker | undefined;
  #isStopped = false;

  constructor(options: BrokerHostOptions) {
    this.#options = options;
  }

  /** The member that runs it; undefined where an external one is used, and while others are still looked for. */
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

  /** Starts or ends our own broker as it is due; called again and again. */
  async keep(): Promise<void> {
    const { self, port, idOf, log, warnings } = this.#options;
    const isOurs = this.id() === self.id;
    if (!isOurs) {
      // Nobody waits for our port any more.
      warnings.clear("broker.unreachable", warned);
      return this.#end();
    }
    if (this.#broker) return;
    const deviceOfAddress = (source: string) => (source === self.address ? self.id : idOf(source));
    try {
      // Loaded by the one member that hosts it: the others need neither its seconds nor its memory.
      const { startBroker } = await import("../../ota/fleet/broker.ts");
      this.#broker = await startBroker({
        address: self.address,
        port,
        neighborhood: self.neighborhood,
        deviceOfAddress,
        log,
      });
      warnings.clear("broker.unreachable", warned);
    } catch (error) {
      const hint = "free the port, or set telemetry.port on every device";
      warnings.raise("broker.unreachable", describeError(error), hint, warned);
    }
    // It may have taken until after the end.
    if (this.#isStopped) await this.#end();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#options.warnings.clear("broker.unreachable", warned);
    await this.#end();
  }

  async #end(): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.stop();
  }
}

/** The client has its own warning of this code: the subject tells them apart. */
const warned = "host";
