// An MQTT packet says its length up front; here one that is too long ends the connection before it fills our memory.
// The broker's library reads a packet whole, whatever its length up to 256 MB.

import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { writeToStream } from "mqtt-packet";

// Both client and broker write by this library. It would keep every number up to 65,535 ready as a buffer:
// 7 MB, for a few messages a minute.
writeToStream.cacheNumbers = false;

/** Watches the lengths in a stream of MQTT packets. `feed` says false once one is longer than `maxBytes`. */
export function makeLengthWatch(maxBytes: number): { feed(chunk: Uint8Array): boolean } {
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
          at += 1; // type and flags
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

/** Ends `socket` when a packet longer than `maxBytes` begins on it. */
export function limitPackets(socket: Socket, maxBytes: number, onRefused: () => void): void {
  const watch = makeLengthWatch(maxBytes);
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
