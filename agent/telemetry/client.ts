// The MQTT client: follows the broker from member to member and keeps one connection to it.
// A thin shell: connection.ts decides, this file owns the socket, the timer and the mqtt library.
import type { ConnectionOptions } from "node:tls";
import { MqttClient } from "mqtt";
import { brokerLimits } from "../../ota/fleet/access.ts";
import { isForSubscriber, limitPackets } from "../../ota/fleet/packets.ts";
import { type Clock, every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import { type Connection, type Effect, type Event, newConnection, step } from "./connection.ts";
import { openSocket, targetOf } from "./transport.ts";

export type ClientOptions = {
  self: { id: string; address: string; name(): string };
  /** Mesh address or URL of the broker in use; undefined while there is none. Asked every second. */
  brokerAddress(): string | undefined;
  port: number;
  /** Published when we leave, and by the broker when it loses us. */
  farewell(): { topic: string; payload: string };
  onConnect(client: MqttClient): void;
  onDisconnect(): void;
  onMessage(topic: string, payload: Buffer): void;
  /** Runs every second. */
  onTick(): void;
  warnings: Pick<Warnings, "raise" | "clear">;
  log: Log;
  clock: Clock;
  retryMs: number;
  tls: Pick<ConnectionOptions, "ca"> | undefined;
};
export type Client = {
  isConnected(): boolean;
  /** Dropped while there is no connection. */
  publish(topic: string, payload: string, options: { qos: 0 | 1; retain: boolean }): void;
  stop(): Promise<void>;
};

export function startClient(options: ClientOptions): Client {
  const { self, log, clock, retryMs } = options;
  let connection: Connection = newConnection(clock.monotonic());
  let client: MqttClient | undefined;

  const happen = (event: Event): Effect[] => {
    const at = { now: clock.monotonic(), chance: Math.random(), retryMs };
    const [next, effects] = step(connection, event, at);
    connection = next;
    return effects;
  };
  const perform = async (effect: Effect): Promise<void> => {
    switch (effect.kind) {
      case "leave":
        return leave(effect.goodbye);
      case "join":
        return join(effect.target);
      case "log":
        return log[effect.level](effect.message);
      case "warn":
        return options.warnings.raise("broker.unreachable", effect.message, effect.hint, "client");
      case "clearWarning":
        return options.warnings.clear("broker.unreachable", "client");
    }
  };
  const performAll = async (effects: Effect[]): Promise<void> => {
    for (const effect of effects) await perform(effect);
  };

  const leave = async (goodbye: boolean): Promise<void> => {
    const leaving = client;
    client = undefined;
    options.onDisconnect();
    if (!leaving) return;
    const { topic, payload } = options.farewell();
    if (leaving.connected && goodbye) leaving.publish(topic, payload, { qos: 0, retain: true });
    // Half a second for the goodbye; a broker that is gone gets none.
    await Promise.race([leaving.endAsync(!leaving.connected), new Promise((done) => setTimeout(done, 500))]);
    leaving.end(true);
  };

  const join = async (target: string): Promise<void> => {
    try {
      client = open(target);
    } catch (error) {
      await performAll(happen({ kind: "failed", because: describeError(error), isRefusal: false }));
      await performAll(happen({ kind: "closed" }));
    }
  };

  const open = (target: string): MqttClient => {
    const to = targetOf(target, options.port);
    /** A client that we have left says nothing about the next one. */
    const tell = (event: Event) => {
      if (client === joining) void performAll(happen(event));
    };
    const openLimited = () => {
      const socket = openSocket(to, { ownAddress: self.address, tls: options.tls });
      const because = "it sent a packet that is too long or that this client did not ask for";
      const refuse = () => tell({ kind: "failed", because, isRefusal: false });
      limitPackets(socket, brokerLimits.packetBytes, refuse, isForSubscriber);
      return socket;
    };
    const { topic, payload } = options.farewell();
    const joining = new MqttClient(openLimited, {
      clientId: `${self.id}.agent`,
      protocolVersion: 4,
      clean: true,
      keepalive: 60,
      // Otherwise our own metrics would count as a sign of life from a broker that takes nothing.
      reschedulePings: false,
      connectTimeout: 10_000,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      ...(to.username !== undefined && { username: to.username }),
      ...(to.password !== undefined && { password: to.password }),
      will: { topic, payload: Buffer.from(payload), qos: 1, retain: true },
    });
    joining.on("error", (error) => {
      const isRefusal = "code" in error && typeof error.code === "number" && error.code > 0;
      tell({ kind: "failed", because: describeError(error), isRefusal });
    });
    joining.on("connect", () => {
      if (client !== joining) return;
      tell({ kind: "accepted" });
      options.onConnect(joining);
    });
    joining.on("message", options.onMessage);
    joining.once("close", () => {
      if (client !== joining) return;
      options.onDisconnect();
      tell({ kind: "closed" });
      client = undefined;
      joining.end(true);
    });
    return joining;
  };

  const tick = async (): Promise<void> => {
    let effects: Effect[];
    // Having left one broker, join the next without waiting another second.
    do {
      effects = happen({ kind: "tick", target: options.brokerAddress(), name: self.name() });
      await performAll(effects);
    } while (effects.some(({ kind }) => kind === "leave"));
    options.onTick();
  };
  const complain = (error: unknown) => log.warn(`broker: ${describeError(error)}`);
  const timer = every(Math.min(1_000, retryMs), tick, complain, 0.1);
  void tick().catch(complain);

  return {
    isConnected: () => client?.connected ?? false,
    publish(topic, payload, how) {
      client?.publish(topic, payload, how, (error) => {
        if (error) log.debug(`${topic}: ${error.message}`);
      });
    },
    async stop() {
      timer.stop();
      await performAll(happen({ kind: "stop" }));
    },
  };
}
