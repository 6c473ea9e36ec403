import fc from "fast-check";
import { expect, test } from "vitest";
import { type Leases, labLan, reserve, serveDhcp } from "../../../../image/lab/network/dhcp.ts";
import { checksum, macBytes, readArp, readUdp, writeArp, writeUdp } from "../../../../image/lab/network/packets.ts";
import { addressBytes } from "../../../../system/address.ts";

const attic = "52:54:00:4c:00:01";
const stranger = "02:00:00:00:00:09";

function ask(mac: string, kind: number, options: [number, Buffer][] = []): Buffer {
  const head = Buffer.alloc(240);
  head.writeUInt32BE(0x01010600, 0);
  head.writeUInt32BE(0xcafef00d, 4);
  macBytes(mac).copy(head, 28);
  head.writeUInt32BE(0x63825363, 236);
  const fields = [[53, Buffer.from([kind])] as const, ...options].map(([code, value]) =>
    Buffer.concat([Buffer.from([code, value.length]), value]),
  );
  const payload = Buffer.concat([head, ...fields, Buffer.from([255])]);
  return writeUdp({
    sourceMac: mac,
    targetMac: "ff:ff:ff:ff:ff:ff",
    source: "0.0.0.0",
    target: "255.255.255.255",
    sourcePort: 68,
    targetPort: 67,
    payload,
  });
}
/** An answer's kind, its address, and the codes of all its options. */
function answerOf(frame: Buffer | undefined): { kind: number; given: string; codes: number[] } | undefined {
  const udp = frame && readUdp(frame);
  if (!udp) return undefined;
  const codes = new Map<number, number>();
  for (let at = 240; udp.payload[at] !== 255; at += 2 + udp.payload[at + 1]!)
    codes.set(udp.payload[at]!, udp.payload[at + 2]!);
  return { kind: codes.get(53)!, given: udp.payload.subarray(16, 20).join("."), codes: [...codes.keys()] };
}

test("a device is offered its reserved address, without a router or name servers", () => {
  const leases = reserve(labLan, [attic]);
  const offer = answerOf(serveDhcp(labLan, leases, ask(attic, 1))[1]);
  expect(offer).toEqual({ kind: 2, given: "10.77.0.11", codes: [53, 54, 51, 1] });
});

test("a stranger gets an address from the pool and keeps it", () => {
  const [, offer] = serveDhcp(labLan, new Map(), ask(stranger, 1));
  const { given } = answerOf(offer)!;
  expect(given).toBe("10.77.0.100");
  const [leases, ack] = serveDhcp(labLan, new Map(), ask(stranger, 3, [[50, addressBytes(given)]]));
  expect(answerOf(ack)).toMatchObject({ kind: 5, given });
  expect(answerOf(serveDhcp(labLan, leases, ask("02:00:00:00:00:0a", 1))[1])?.given).toBe("10.77.0.101");
});

test("a client that requests an address that is not its own is refused", () => {
  const leases = reserve(labLan, [attic]);
  const [after, nak] = serveDhcp(labLan, leases, ask(attic, 3, [[50, addressBytes("10.77.0.50")]]));
  expect([answerOf(nak)?.kind, after]).toEqual([6, leases]);
});

test("a request for another server is ignored", () => {
  const options: [number, Buffer][] = [
    [50, addressBytes("10.77.0.11")],
    [54, addressBytes("10.77.0.2")],
  ];
  expect(serveDhcp(labLan, reserve(labLan, [attic]), ask(attic, 3, options))[1]).toBeUndefined();
});

test("a full pool leaves newcomers without an answer", () => {
  const leases: Leases = new Map(Array.from({ length: 100 }, (_, n) => [`02:00:00:00:01:${n}`, `10.77.0.${100 + n}`]));
  expect(serveDhcp(labLan, leases, ask(stranger, 1))[1]).toBeUndefined();
});

test("the server answers ARP for itself only", () => {
  const question = (target: string) =>
    writeArp({ isRequest: true, senderMac: attic, sender: "10.77.0.11", targetMac: "ff:ff:ff:ff:ff:ff", target });
  expect(readArp(serveDhcp(labLan, new Map(), question("10.77.0.1"))[1]!)).toMatchObject({
    isRequest: false,
    senderMac: labLan.serverMac,
    sender: "10.77.0.1",
    targetMac: attic,
  });
  expect(serveDhcp(labLan, new Map(), question("10.77.0.12"))[1]).toBeUndefined();
});

test("the header's checksum is correct", () => {
  expect(checksum(ask(attic, 1).subarray(14, 34))).toBe(0);
});

test("whatever arrives, the server neither throws nor leases", () => {
  const good = ask(stranger, 3, [[50, addressBytes("10.77.0.100")]]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      expect(serveDhcp(labLan, new Map(), Buffer.from(bytes))[0].size).toBe(0);
    }),
  );
  // A valid frame with some bytes changed, or truncated, gets further into the code.
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const bent = Buffer.from(good);
      bent[at] = value;
      serveDhcp(labLan, new Map(), bent.subarray(0, length));
    }),
  );
});
