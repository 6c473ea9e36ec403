// Who is at the other end of a connection.
import type { Socket } from "node:net";

/**
 * Undefined for a unix socket, for one that is closed, and for a link-local one whose own network card was pulled out: Node then
 * throws ENXIO out of `remoteAddress`, because it cannot name the interface any more.
 */
export function remoteAddressOf(socket: Pick<Socket, "remoteAddress">): string | undefined {
  try {
    return socket.remoteAddress;
  } catch {
    return undefined;
  }
}
