// A socket to a broker: in clear to a mesh address, because WireGuard encrypts; to an external broker as its URL says.
import { connect as connectClear, isIP, type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { HamletError } from "../../system/error.ts";
import { parseBrokerUrl } from "./broker-url.ts";

export type Target = {
  host: string;
  port: number;
  transport: "mesh" | "clear" | "tls";
  username?: string;
  password?: string;
};

/** `where` is a mesh address, reached at `meshPort`, or the URL of an external broker. Throws `config.invalid`. */
export function targetOf(where: string, meshPort: number): Target {
  if (!where.includes("://")) return { host: where, port: meshPort, transport: "mesh" };
  const broker = parseBrokerUrl(where);
  if (typeof broker === "string")
    throw new HamletError("config.invalid", `telemetry.broker: ${broker}`, { hint: "correct it in the config" });
  const { isTls, host, port, ...login } = broker;
  return { host, port, transport: isTls ? "tls" : "clear", ...login };
}

/** Starts to connect to `target`; writes wait until the socket is connected. */
export function openSocket(
  { host, port, transport }: Target,
  { ownAddress, tls: trusted }: { ownAddress: string; tls?: Pick<ConnectionOptions, "ca"> | undefined },
): Socket {
  switch (transport) {
    case "mesh":
      // The broker knows us by our mesh address, even when it runs on this very device.
      return connectClear({ host, port, localAddress: ownAddress });
    case "clear":
      return connectClear({ host, port });
    case "tls": {
      // RFC 6066 3: a literal address is not a server name; Node checks the certificate against it all the same.
      // Loaded only for an external broker: it takes memory.
      const tls = process.getBuiltinModule("node:tls");
      const socket = tls.connect({ host, port, ...(!isIP(host) && { servername: host }), ...trusted });
      // The first packet holds the password: keep it back until the certificate has been verified.
      socket.cork();
      socket.once("secureConnect", () => socket.uncork());
      return socket;
    }
  }
}
