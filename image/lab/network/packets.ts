// Reads and writes the parts of Ethernet, ARP, IPv4 and UDP that a DHCP server needs. Any bytes may arrive, so each is checked.
import { addressBytes, addressOf } from "../../../system/address.ts";

export type Mac = string; // "52:54:00:4c:00:01"
export type Ipv4 = string;
type Udp = {
  sourceMac: Mac;
  targetMac: Mac;
  source: Ipv4;
  target: Ipv4;
  sourcePort: number;
  targetPort: number;
  payload: Buffer;
};
type Arp = {
  isRequest: boolean;
  senderMac: Mac;
  sender: Ipv4;
  targetMac: Mac;
  target: Ipv4;
};

const ethernetBytes = 14;
const udpBytes = 8;
const etherTypes = { ipv4: 0x0800, arp: 0x0806 };
const protocolUdp = 17;

export const macBytes = (mac: Mac): Buffer => Buffer.from(mac.replaceAll(":", ""), "hex");
export const macText = (bytes: Uint8Array): Mac =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

/** The UDP datagram in an Ethernet frame, or undefined for another protocol, a fragment or invalid bytes. */
export function readUdp(frame: Buffer): Udp | undefined {
  if (frame.length < ethernetBytes + 20 + udpBytes || frame.readUInt16BE(12) !== etherTypes.ipv4) return undefined;
  const ip = frame.subarray(ethernetBytes);
  const headerBytes = (ip[0]! & 0x0f) * 4;
  const totalBytes = ip.readUInt16BE(2);
  if (ip[0]! >> 4 !== 4 || headerBytes < 20 || ip[9] !== protocolUdp) return undefined;
  if (totalBytes > ip.length || totalBytes < headerBytes + udpBytes || (ip.readUInt16BE(6) & 0x3fff) !== 0) {
    return undefined;
  }
  const udp = ip.subarray(headerBytes, totalBytes);
  const lengthBytes = udp.readUInt16BE(4);
  if (lengthBytes < udpBytes || lengthBytes > udp.length) return undefined;
  return {
    targetMac: macText(frame.subarray(0, 6)),
    sourceMac: macText(frame.subarray(6, 12)),
    source: addressOf(ip.subarray(12, 16)),
    target: addressOf(ip.subarray(16, 20)),
    sourcePort: udp.readUInt16BE(0),
    targetPort: udp.readUInt16BE(2),
    payload: udp.subarray(udpBytes, lengthBytes),
  };
}

export function writeUdp(datagram: Udp): Buffer {
  const { payload } = datagram;
  const frame = Buffer.alloc(ethernetBytes + 20 + udpBytes + payload.length);
  macBytes(datagram.targetMac).copy(frame, 0);
  macBytes(datagram.sourceMac).copy(frame, 6);
  frame.writeUInt16BE(etherTypes.ipv4, 12);
  const ip = frame.subarray(ethernetBytes);
  ip[0] = 0x45;
  ip.writeUInt16BE(20 + udpBytes + payload.length, 2);
  ip[8] = 64;
  ip[9] = protocolUdp;
  addressBytes(datagram.source).copy(ip, 12);
  addressBytes(datagram.target).copy(ip, 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, 20)), 10);
  const udp = ip.subarray(20);
  udp.writeUInt16BE(datagram.sourcePort, 0);
  udp.writeUInt16BE(datagram.targetPort, 2);
  udp.writeUInt16BE(udpBytes + payload.length, 4);
  // The UDP checksum stays 0, "none": RFC 768 allows it over IPv4.
  payload.copy(udp, udpBytes);
  return frame;
}

export function readArp(frame: Buffer): Arp | undefined {
  if (frame.length < ethernetBytes + 28 || frame.readUInt16BE(12) !== etherTypes.arp) return undefined;
  const arp = frame.subarray(ethernetBytes);
  // Ethernet (1), IPv4 (0x0800), address lengths 6 and 4: RFC 826.
  if (arp.readUInt32BE(0) !== 0x0001_0800 || arp.readUInt16BE(4) !== 0x0604) return undefined;
  return {
    isRequest: arp.readUInt16BE(6) === 1,
    senderMac: macText(arp.subarray(8, 14)),
    sender: addressOf(arp.subarray(14, 18)),
    targetMac: macText(arp.subarray(18, 24)),
    target: addressOf(arp.subarray(24, 28)),
  };
}

export function writeArp(arp: Arp): Buffer {
  // 60 bytes: the minimum of an Ethernet frame.
  const frame = Buffer.alloc(60);
  macBytes(arp.targetMac).copy(frame, 0);
  macBytes(arp.senderMac).copy(frame, 6);
  frame.writeUInt16BE(etherTypes.arp, 12);
  frame.writeUInt32BE(0x0001_0800, 14);
  frame.writeUInt16BE(0x0604, 18);
  frame.writeUInt16BE(arp.isRequest ? 1 : 2, 20);
  macBytes(arp.senderMac).copy(frame, 22);
  addressBytes(arp.sender).copy(frame, 28);
  macBytes(arp.targetMac).copy(frame, 32);
  addressBytes(arp.target).copy(frame, 38);
  return frame;
}

/** RFC 1071: the ones' complement sum over 16-bit words. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
