// Where the neighborhood's broker runs: on the member with the lowest live id. Each member works that out by itself,
// and that member starts the broker.
import type { Broker } from "../../ota/fleet/broker.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";

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
};

export class BrokerHost {
  readonly #options: BrokerHostOptions;
  #broker: Broker | undefined;
  #isStopped = false;

  constructor(options: BrokerHostOptions) {
    this.#options = options;
  }

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
    const { self, port, idOf, log, warnings } = this.#options;
    const isOurs = this.id() === self.id;
    if (!isOurs) {
      // We no longer need the port.
      warnings.clear("broker.unreachable", warned);
      return this.#end();
    }
    if (this.#broker) return;
    const deviceOfAddress = (source: string) => (source === self.address ? self.id : idOf(source));
    try {
      // Only the member that hosts the broker loads it; the others save the time and the memory.
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
    // It may have been stopped while it started.
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

/** The subject tells this warning from the client's, which has the same code. */
const warned = "host";
