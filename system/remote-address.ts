// The address at the other end of a connection.
import type { Socket } from "node:net";

/**
 * Undefined for a unix socket, a closed one, and a link-local one whose network card was unplugged: Node then throws ENXIO from
 * `remoteAddress`, because it cannot name the interface any more.
 */
export function remoteAddressOf(socket: Pick<Socket, "remoteAddress">): string | undefined {
  try {
    return socket.remoteAddress;
  } catch {
    return undefined;
  }
}
