// The DHCP server of the virtual home (RFC 2131): addresses, and no router, because this home has no internet.
// Pure: takes a frame, returns the new leases and perhaps a frame.
import { addressBytes, addressOf } from "../../../system/address.ts";
import { type Ipv4, type Mac, macBytes, macText, readArp, readUdp, writeArp, writeUdp } from "./packets.ts";

type Lan = {
  /** The first three bytes: "10.77.0". The server is .1, the web .2, devices start at .11, the pool is .100 to .199. */
  prefix: string;
  serverMac: Mac;
  /** Fixed, so that a device resumed from a saved state finds the web of the new lab where it knows it. */
  webMac: Mac;
};
export type Leases = ReadonlyMap<Mac, Ipv4>;

export const labLan: Lan = { prefix: "10.77.0", serverMac: "52:54:00:4c:ff:01", webMac: "52:54:00:4c:ff:02" };
/** The host that serves files to the devices. */
export const webAddress = `${labLan.prefix}.2`;
const [poolFirst, poolLast] = [100, 199];
const leaseSeconds = 3600;
const magicCookie = 0x63825363;
const option = { pad: 0, mask: 1, requested: 50, leaseTime: 51, type: 53, server: 54, end: 255 };
const kinds = { discover: 1, offer: 2, request: 3, ack: 5, nak: 6, inform: 8 };

/** Handles one frame from the LAN. */
export function serveDhcp(lan: Lan, leases: Leases, frame: Buffer): [Leases, Buffer | undefined] {
  const server = `${lan.prefix}.1`;
  const arp = readArp(frame);
  if (arp) {
    if (!arp.isRequest || arp.target !== server) return [leases, undefined];
    const answer = { isRequest: false, senderMac: lan.serverMac, sender: server };
    return [leases, writeArp({ ...answer, targetMac: arp.senderMac, target: arp.sender })];
  }
  const asked = readUdp(frame);
  if (asked?.targetPort !== 67 || asked.sourcePort !== 68) return [leases, undefined];
  const message = readDhcp(asked.payload);
  if (!message) return [leases, undefined];

  const held = leases.get(message.mac) ?? freeAddress(lan, leases);
  if (held === undefined) return [leases, undefined];
  const reply = (kind: number, given: Ipv4) =>
    writeUdp({
      sourceMac: lan.serverMac,
      // Broadcasts reach clients without an address, whatever their flags say.
      targetMac: "ff:ff:ff:ff:ff:ff",
      source: server,
      target: "255.255.255.255",
      sourcePort: 67,
      targetPort: 68,
      payload: writeDhcp(asked.payload, kind, given, server),
    });
  if (message.kind === kinds.discover) return [leases, reply(kinds.offer, held)];
  if (message.kind !== kinds.request || (message.server !== undefined && message.server !== server)) {
    return [leases, undefined];
  }
  const wanted = message.requested ?? message.client;
  if (wanted !== held) return [leases, reply(kinds.nak, "0.0.0.0")];
  return [new Map(leases).set(message.mac, held), reply(kinds.ack, held)];
}

function freeAddress(lan: Lan, leases: Leases): Ipv4 | undefined {
  const taken = new Set(leases.values());
  for (let host = poolFirst; host <= poolLast; host++) {
    const address = `${lan.prefix}.${host}`;
    if (!taken.has(address)) return address;
  }
  return undefined;
}

type Dhcp = { kind: number; mac: Mac; client: Ipv4; requested?: Ipv4; server?: Ipv4 };

function readDhcp(bytes: Buffer): Dhcp | undefined {
  // op 1: a request; hardware type 1, 6 bytes: Ethernet.
  if (bytes.length < 240 || bytes.readUInt8(0) !== 1 || bytes.readUInt16BE(1) !== 0x0106) return undefined;
  if (bytes.readUInt32BE(236) !== magicCookie) return undefined;
  const options = new Map<number, Buffer>();
  for (let at = 240; at < bytes.length && bytes[at] !== option.end; ) {
    if (bytes[at] === option.pad) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (at + 2 + length > bytes.length) return undefined;
    options.set(bytes[at]!, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const address = (code: number) => {
    const value = options.get(code);
    return value?.length === 4 ? addressOf(value) : undefined;
  };
  const [requested, server] = [address(option.requested), address(option.server)];
  return {
    kind: options.get(option.type)?.[0] ?? 0,
    mac: macText(bytes.subarray(28, 34)),
    client: addressOf(bytes.subarray(12, 16)),
    ...(requested && { requested }),
    ...(server && { server }),
  };
}

function writeDhcp(asked: Buffer, kind: number, given: Ipv4, server: Ipv4): Buffer {
  const head = Buffer.alloc(240);
  // Copy hardware type, transaction, flags and client hardware address from the request.
  asked.copy(head, 0, 0, 12);
  asked.copy(head, 28, 28, 44);
  head[0] = 2;
  head[3] = 0;
  addressBytes(given).copy(head, 16);
  addressBytes(server).copy(head, 20);
  head.writeUInt32BE(magicCookie, 236);
  const field = (code: number, value: Uint8Array) => Buffer.concat([Buffer.from([code, value.length]), value]);
  const lease = Buffer.alloc(4);
  lease.writeUInt32BE(leaseSeconds);
  const terms =
    kind === kinds.nak ? [] : [field(option.leaseTime, lease), field(option.mask, addressBytes("255.255.255.0"))];
  const body = [field(option.type, Buffer.from([kind])), field(option.server, addressBytes(server)), ...terms];
  const bytes = Buffer.concat([head, ...body, Buffer.from([option.end])]);
  // BOOTP's minimum size, which some clients require: RFC 1542 2.1.
  return bytes.length >= 300 ? bytes : Buffer.concat([bytes, Buffer.alloc(300 - bytes.length)]);
}

/** The address of the device with this number, from 0. */
export const deviceAddress = (lan: Lan, index: number): Ipv4 => `${lan.prefix}.${11 + index}`;

/** Fixed leases, so that a device has the same address in every lab. */
export const reserve = (lan: Lan, macs: Mac[]): Leases =>
  new Map(macs.map((mac, index) => [macText(macBytes(mac)), deviceAddress(lan, index)]));
