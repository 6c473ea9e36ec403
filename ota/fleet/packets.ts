// An MQTT packet says its kind and its length up front; here one that is too long ends the connection before it fills our memory.
// The library reads a packet whole, whatever its length up to 256 MB, in the broker and in a client.

import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { writeToStream } from "mqtt-packet";

// Both client and broker write by this library. It would keep every number up to 65,535 ready as a buffer:
// 7 MB, for a few messages a minute.
writeToStream.cacheNumbers = false;

/** The first byte of a packet: its type and flags. */
type MayBegin = (firstByte: number) => boolean;

/**
 * What a client that subscribes with QoS 0 is sent: CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK and PINGRESP (MQTT 3.1.1, 2.2.1).
 * A PUBLISH with QoS 2 would stay in its memory until the broker lets go of it, up to 65,535 of them.
 */
export const isForSubscriber: MayBegin = (firstByte) =>
  firstByte >> 4 === 3 ? (firstByte & 0b0110) === 0 : [2, 4, 9, 11, 13].includes(firstByte >> 4);

/** Watches a stream of MQTT packets. `feed` says false once one is longer than `maxBytes`, or may not begin. */
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

/** Ends `socket` when a packet longer than `maxBytes`, or one that may not begin, begins on it. */
export function limitPackets(socket: Socket, maxBytes: number, onRefused: () => void, mayBegin?: MayBegin): void {
  const watch = makeLengthWatch(maxBytes, mayBegin);
  // push() is where a Readable's data comes in, whoever reads it and in whatever mode.
  socket.push = (chunk, encoding) => {
    if (chunk && !watch.feed(chunk)) {
      onRefused();
      socket.destroy();
      return false;
    }
    return Readable.prototype.push.call(socket, chunk, encoding);
  };
}
