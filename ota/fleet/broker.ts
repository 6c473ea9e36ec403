// The neighborhood's MQTT broker. It listens on the mesh address only, where a source address proves who the client is:
// a client is the device of its address, publishes below that device's topics only, and may read the whole neighborhood.

import { randomBytes } from "node:crypto";
import type { EventEmitter } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type AuthenticateError, type Client, type Subscription } from "aedes";
import { plainAddress } from "../../system/address.ts";
import { FairBucket } from "../../system/bucket.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue, type Queue } from "../../system/queue.ts";
import { remoteAddressOf } from "../../system/remote-address.ts";
import {
  type BrokerLimits,
  brokerLimits,
  type Denial,
  mayConnect,
  mayPublish,
  maySubscribe,
  qosFor,
} from "./access.ts";
import { type Heir, heritageOf, type Kept, willOf } from "./inherit.ts";
import { limitPackets } from "./packets.ts";
import { Retained, weightOf } from "./retained.ts";
import { makePersistence } from "./session-persistence.ts";
import { Sessions } from "./sessions.ts";
import { sessionsTopic } from "./topics.ts";

export type BrokerOptions = {
  address: string;
  port: number;
  neighborhood: string;
  /** The member with this source address; undefined if there is none. */
  deviceOfAddress(address: string): string | undefined;
  /** Whether the device is still a member; every device by default. */
  isMember?(device: string): boolean;
  log: Log;
  limits?: Partial<BrokerLimits>;
  /** Those that outlive this broker. */
  sessions?: Sessions;
};
export type Broker = {
  readonly port: number;
  counts(): { clients: number; refused: number };
  /**
   * Takes over what another broker retained, of members that are not connected here. What this one has kept since `before`
   * (by performance.now) is newer.
   */
  inherit(messages: readonly Kept[], of: { isMember(device: string): boolean; before: number }): void;
  stop(): Promise<void>;
};

type QoS = Subscription["qos"];
/** `subscriptions`: the QoS of each, by its filter. */
type Session = { device: string; from: string; subscriptions: Map<string, QoS> };

/** Throws `port.taken` or `broker.failed`. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { address, port, neighborhood, deviceOfAddress, log } = options;
  const limits = { ...brokerLimits, ...options.limits };
  const sessions = new WeakMap<Client, Session>();
  const inherited = new WeakSet<Buffer>();
  const lasting = options.sessions ?? new Sessions(limits);
  const makeRate = (burst: number, perSecond: number) => {
    const bucket = new FairBucket({ perSource: { burst, perSecond }, maxSources: limits.connections });
    return (device: string) => bucket.admits({ key: device, network: "local" }, performance.now());
  };
  const mayTalk = makeRate(limits.burst, limits.messagesPerSecond);
  const maySend = makeRate(limits.packetBurst, limits.packetsPerSecond);
  const isMember = options.isMember ?? (() => true);
  const retained = new Retained(limits);
  const connections = new Map<string, number>();
  let refused = 0;

  const refuse = (who: string, because: Denial): Error => {
    refused += 1;
    log.debug(`refused ${who}: ${because}`);
    return new Error(because);
  };

  /** A device that is no longer a member may neither publish nor receive, even on an open connection. */
  const isStill = ({ device, from }: Session): boolean => deviceOfAddress(from) === device;

  const makeRoom = (device: string, topic: string, payload: string | Uint8Array): boolean => {
    const weight = weightOf(topic, payload);
    const given = retained.keep(device, topic, weight, { now: performance.now(), isMember });
    for (const one of given ?? [])
      aedes.publish(
        { cmd: "publish", topic: one, payload: Buffer.alloc(0), qos: 0, retain: true, dup: false },
        () => {},
      );
    return given !== undefined;
  };

  const aedes = await Aedes.createBroker({
    // Short: it is part of the key of each message that waits.
    id: randomBytes(6).toString("base64url"),
    persistence: makePersistence(lasting, {
      isGranted: (client, filter) => Boolean(sessions.get(client as Client)?.subscriptions.has(filter)),
      isOld: (payload) => inherited.has(payload),
    }),
    drainTimeout: limits.drainTimeoutMs,
    connectTimeout: limits.connectTimeoutMs,
    queueLimit: limits.queuedPackets,
    keepaliveLimit: limits.keepaliveSeconds,
    maxInflightInbound: limits.inflight,
    maxTopicLevels: 8,
    preConnect(client, packet, done) {
      const device = deviceOfAddress(plainAddress(remoteAddressOf(client.conn as Socket) ?? ""));
      const mayLast = mayConnect(device, packet.clientId) === undefined && lasting.mayKeep(packet.clientId);
      // The answer to CONNECT says that there was no session.
      packet.clean = packet.clean || !mayLast;
      done(null, true);
    },
    authenticate(client, _username, _password, done) {
      const from = plainAddress(remoteAddressOf(client.conn as Socket) ?? "");
      const device = deviceOfAddress(from);
      const because = mayConnect(device, client.id);
      // MQTT 3.1.1, 3.2.2.3: 2 is "identifier rejected", 5 "not authorized".
      if (because) {
        const error = Object.assign(refuse(`${client.id} from ${from}`, because), {
          returnCode: because === "source.unknown" ? 5 : 2,
        });
        return done(error as AuthenticateError, false);
      }
      sessions.set(client, { device: device!, from, subscriptions: new Map() });
      done(null, true);
    },
    authorizePublish(client, packet, done) {
      const session = client && sessions.get(client);
      if (!session || !isStill(session)) return done(refuse("an unknown client", "source.unknown"));
      const kept = retained.of(session.device);
      // The last will of a device that was disconnected for its rate still counts.
      const because =
        client.closed || mayTalk(session.device)
          ? mayPublish({ neighborhood, device: session.device, packet, json: parseOnce(packet.payload), kept, limits })
          : "rate.tooHigh";
      if (because) return done(refuse(`${session.device} on ${packet.topic}`, because));
      if (packet.retain && packet.payload.length === 0) retained.drop(session.device, packet.topic);
      // Where there is no room it is said to those who listen, and not kept.
      else if (packet.retain) packet.retain = makeRoom(session.device, packet.topic, packet.payload);
      done(null);
    },
    authorizeSubscribe(client, subscription, done) {
      const session = sessions.get(client);
      const because = session
        ? maySubscribe(neighborhood, subscription.topic, session.subscriptions, limits)
        : "source.unknown";
      if (because || !session) {
        refuse(`${client.id} to ${subscription.topic}`, because ?? "source.unknown");
        return done(null, null); // answered with 128, "failure", and the connection stays (3.9.3)
      }
      session.subscriptions.set(subscription.topic, subscription.qos);
      done(null, subscription);
    },
    authorizeForward(client, packet) {
      const session = sessions.get(client);
      if (!session || !isStill(session)) return null;
      // aedes sends what is retained with its publisher's QoS; whoever asked for less may take the rest for a fault (3.8.4).
      // What waits for a client that is away is kept with QoS 1.
      const most = client.clean ? packet.qos : (Math.min(packet.qos, 1) as QoS);
      const asked = packet.retain ? qosFor(session.subscriptions, packet.topic) : most;
      return asked < packet.qos ? { ...packet, qos: asked } : packet;
    },
  });
  aedes.on("clientError", (client, error) => log.debug(`${client?.id ?? "client"}: ${error.message}`));
  aedes.on("connectionError", (_client, error) => log.debug(`connection: ${error.message}`));
  // aedes' types do not have this event; without a listener it would end the agent.
  const events: EventEmitter = aedes;
  events.on("error", (error: Error) => log.warn(`broker: ${error.message}`));
  aedes.on("unsubscribe", (topics, client) => {
    for (const topic of topics) sessions.get(client)?.subscriptions.delete(topic);
  });

  const count = (client: Client, by: 1 | -1) => {
    const device = sessions.get(client)?.device;
    if (device !== undefined) connections.set(device, (connections.get(device) ?? 0) + by);
  };
  aedes.on("client", (client) => {
    count(client, 1);
    if (!client.clean) lasting.attend(client.id, true, performance.now());
  });
  aedes.on("clientDisconnect", (client) => {
    count(client, -1);
    followers.delete(client);
    if (!client.clean) lasting.attend(client.id, false, performance.now());
  });

  /** Members that are next in line hear of sessions and of what waits, each in turn: a message means nothing without its session. */
  const followers = new Map<Client, Queue>();
  const tell = (packets: readonly Buffer[], to: Iterable<[Client, Queue]> = followers) => {
    for (const [client, inTurn] of to)
      void inTurn(async () => {
        for (const payload of packets) {
          if (client.closed) return;
          const message = { cmd: "publish", topic: sessionsTopic, payload, qos: 0, retain: false, dup: false } as const;
          await new Promise<void>((told) => client.publish(message, () => told()));
        }
      });
  };
  aedes.on("subscribe", (subscriptions, client) => {
    if (!subscriptions.some(({ topic, qos }) => topic === sessionsTopic && qos <= 2) || followers.has(client)) return;
    const now = performance.now();
    tell(lasting.news(now));
    const inTurn = makeQueue();
    tell([...lasting.all(now), endOfSessions], [[client, inTurn]]);
    followers.set(client, inTurn);
  });
  let expireAt = 0;
  const telling = setInterval(() => {
    const now = performance.now();
    if (now >= expireAt) {
      expireAt = now + 60_000;
      lasting.expire(now, isMember);
    }
    tell(lasting.news(now));
  }, limits.newsMs);
  telling.unref();
  const isConnected = (device: string) => (connections.get(device) ?? 0) > 0;

  /** Wills of devices that are said to be online and have yet to say so themselves. */
  const wills = new Set<NodeJS.Timeout>();
  const publish = (device: string, { topic, payload, qos }: Kept) => {
    if (!makeRoom(device, topic, payload)) return;
    aedes.publish({ cmd: "publish", topic, payload, qos, retain: true, dup: false }, () => {});
  };
  const inherit: Broker["inherit"] = (messages, { isMember, before }) => {
    const keptOf = (device: string) => retained.of(device);
    const heir: Heir = { neighborhood, isMember, isConnected, keptOf, limits };
    for (const kept of messages) {
      const device = heritageOf(heir, kept, before);
      if (device === undefined) continue;
      inherited.add(kept.payload);
      publish(device, kept);
      const will = willOf(neighborhood, kept);
      if (will === undefined) continue;
      const timer = setTimeout(() => {
        wills.delete(timer);
        if (!isConnected(device)) publish(device, { ...kept, payload: Buffer.from(will) });
      }, limits.returnMs);
      wills.add(timer);
    }
  };

  const sockets = new Map<Socket, string>();
  const server = createServer((socket) => {
    const from = plainAddress(remoteAddressOf(socket) ?? "");
    const device = deviceOfAddress(from);
    const alike = [...sockets.values()].filter((other) => other === from).length;
    const because: Denial | undefined =
      device === undefined
        ? "source.unknown"
        : sockets.size >= limits.connections || alike >= limits.connectionsPerDevice
          ? "connections.tooMany"
          : undefined;
    socket.on("error", () => {}); // aedes listens as well once it has the socket; a reset before that must not end the agent
    if (because) {
      refuse(from, because);
      socket.destroy();
      return;
    }
    sockets.set(socket, from);
    socket.once("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    let broken: Denial = "packet.tooLarge";
    const mayBegin = (firstByte: number) => {
      if (maySend(device!) && (!makesWork(firstByte) || mayTalk(device!))) return true;
      broken = "rate.tooHigh";
      return false;
    };
    limitPackets(socket, limits.packetBytes, () => refuse(device!, broken), mayBegin);
    aedes.handle(socket);
  });
  await listen(server, address, port);
  log.info(`broker on ${address} port ${portOf(server)}`);

  return {
    port: portOf(server),
    counts: () => ({ clients: aedes.connectedClients, refused }),
    inherit,
    async stop() {
      clearInterval(telling);
      for (const timer of wills) clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets.keys()) socket.destroy();
      await closed;
      lasting.allAway(performance.now());
    },
  };
}

/** CONNECT, SUBSCRIBE and UNSUBSCRIBE (MQTT 3.1.1, 2.2.1): each may bring all that is retained, so they count like messages. */
const makesWork = (firstByte: number): boolean => [1, 8, 10].includes(firstByte >> 4);

/** Follows the last of all sessions. */
export const endOfSessions = Buffer.alloc(0);

const parseOnce = (payload: string | Buffer | undefined) => () => parseJson(String(payload ?? ""));

const portOf = (server: Server): number => {
  const bound = server.address();
  return typeof bound === "object" && bound ? bound.port : 0;
};

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const taken = errnoOf(cause) === "EADDRINUSE";
      reject(
        taken
          ? new HamletError("port.taken", `another program listens on ${host} port ${port}`, {
              cause,
              hint: "stop it, or give telemetry.port another number on every device",
            })
          : new HamletError("broker.failed", `the broker cannot listen on ${host} port ${port}`, { cause }),
      );
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {}); // accept() ran out of descriptors: connections fail, the agent goes on
      resolve();
    });
  });
}
