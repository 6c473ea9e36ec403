// Ends a connection whose MQTT packet is too long or of an unwanted kind before it fills our memory: a packet states both up front.
//
// aedes and mqtt read a packet of up to 256 MB whole before anybody may refuse it, and offer no limit. Each reads its socket in its
// own way (`read`, `pipe`), so we watch where every Readable's data comes in: `push` of the socket is ours. mqtt-packet, which both
// write with, keeps every number up to 65,535 as a buffer, 7 MB for a few messages a minute: `cacheNumbers` turns that off.
// Reviewed with aedes 1.2.0, mqtt 5.16.0, mqtt-packet 9.0.2.
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { writeToStream } from "mqtt-packet";

writeToStream.cacheNumbers = false;

/** Whether a packet may have this first byte, which holds its type and flags. */
type MayBegin = (firstByte: number) => boolean;

/**
 * What a broker sends to a client that subscribes with QoS 0: CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK and PINGRESP (MQTT 3.1.1,
 * 2.2.1). A client keeps a PUBLISH with QoS 2 in memory until the broker releases it, up to 65,535 of them.
 */
export const isForSubscriber: MayBegin = (firstByte) =>
  firstByte >> 4 === 3 ? (firstByte & 0b0110) === 0 : [2, 4, 9, 11, 13].includes(firstByte >> 4);

/** The same for one that takes QoS 1: aedes sends what is retained with the QoS with which it was published. */
export const isForFollower: MayBegin = (firstByte) =>
  firstByte >> 4 === 3 ? (firstByte & 0b0100) === 0 : isForSubscriber(firstByte);

/** Watches a stream of MQTT packets. `feed` returns false once one is longer than `maxBytes` or has a forbidden first byte. */
export function makeLengthWatch(
  maxBytes: number,
  mayBegin: MayBegin = () => true,
): { feed(chunk: Uint8Array): boolean } {
  let bodyLeft = 0;
  let header: { length: number; scale: number } | undefined;
  return {
    feed(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (bodyLeft > 0) {
          const taken = Math.min(bodyLeft, chunk.length - at);
          bodyLeft -= taken;
          at += taken;
        } else if (!header) {
          header = { length: 0, scale: 1 };
          if (!mayBegin(chunk[at++]!)) return false;
        } else {
          // MQTT 3.1.1, 2.2.3: seven bits a byte, the lowest first, at most four bytes.
          const byte = chunk[at++]!;
          header.length += (byte & 0x7f) * header.scale;
          header.scale *= 0x80;
          if (header.length > maxBytes || (byte & 0x80 && header.scale > 0x20_0000)) return false;
          if (!(byte & 0x80)) {
            bodyLeft = header.length;
            header = undefined;
          }
        }
      }
      return true;
    },
  };
}

/** Destroys `socket` when a packet begins that is longer than `maxBytes` or has a forbidden first byte. */
export function limitPackets(socket: Socket, maxBytes: number, onRefused: () => void, mayBegin?: MayBegin): void {
  const watch = makeLengthWatch(maxBytes, mayBegin);
  // Overrides push(), through which all data of a Readable comes in, in every reading mode.
  socket.push = (chunk, encoding) => {
    if (chunk && !watch.feed(chunk)) {
      onRefused();
      socket.destroy();
      return false;
    }
    return Readable.prototype.push.call(socket, chunk, encoding);
  };
}
