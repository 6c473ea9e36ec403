// A way to a broker: in clear to a mesh address, where WireGuard encrypts already, else as the URL of an external one says.

import { connect as connectClear, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { bracketed } from "../../system/address.ts";
import { HamletError } from "../../system/error.ts";
import { parseBrokerUrl } from "./broker-url.ts";

export type Target = {
  /** For logs and warnings: without the password that a URL may carry. */
  label: string;
  host: string;
  port: number;
  transport: "mesh" | "clear" | "tls";
  username?: string;
  password?: string;
};

/** `where` is a mesh address, reached at `meshPort`, or the URL of an external broker. Throws `config.invalid`. */
export function targetOf(where: string, meshPort: number): Target {
  if (!where.includes("://")) return { label: where, host: where, port: meshPort, transport: "mesh" };
  const broker = parseBrokerUrl(where);
  if (typeof broker === "string")
    throw new HamletError("config.invalid", `telemetry.broker: ${broker}`, { hint: "correct it in the config" });
  const { isTls, host, port, ...login } = broker;
  return {
    label: `${isTls ? "mqtts" : "mqtt"}://${bracketed(host)}:${port}`,
    host,
    port,
    transport: isTls ? "tls" : "clear",
    ...login,
  };
}

/** A socket on its way to `target`; what is written to it before it is there waits. */
export function openSocket(
  { host, port, transport }: Target,
  { ownAddress, tls }: { ownAddress: string; tls?: Pick<ConnectionOptions, "ca"> | undefined },
): Socket {
  switch (transport) {
    case "mesh":
      // The broker knows us by our mesh address, also when it runs on this very device.
      return connectClear({ host, port, localAddress: ownAddress });
    case "clear":
      return connectClear({ host, port });
    case "tls": {
      // RFC 6066 3: a literal address is no server name; the certificate is checked against it all the same.
      const socket = connectTls({ host, port, ...(!isIP(host) && { servername: host }), ...tls });
      // The password is in the first packet: it stays here until the certificate has been found good.
      socket.cork();
      socket.once("secureConnect", () => socket.uncork());
      return socket;
    }
  }
}
