// Parses the URL of an external broker as people type it. Error texts never show the password.
// Pure.
import { splitLogin } from "../../system/login.ts";

export type BrokerUrl = { isTls: boolean; host: string; port: number; username?: string; password?: string };

/** How to write special characters in a login. */
export const loginHint = "in its user name and password write / as %2F, ? as %3F, # as %23 and % as %25";

/** Returns a string that says what is wrong, if something is. */
export function parseBrokerUrl(text: string): BrokerUrl | string {
  const [, scheme = "", authority = "", rest = ""] = /^(mqtts?):\/\/([^/?#]*)(.*)$/is.exec(text.trim()) ?? [];
  if (!scheme) return "it must begin with mqtt:// or mqtts://";
  // The URL standard drops some of these and keeps others.
  if (/\p{Cc}/u.test(text.trim()) || !text.isWellFormed()) return "it contains a control character or half a character";
  if (rest.includes("@")) return `the password contains a character that ends the URL: ${loginHint}`;
  if (rest !== "" && rest !== "/") return "nothing may follow the broker's name and port";
  const { login, host } = splitLogin(authority);
  // Parsed as http, because the URL standard does not normalize names and addresses of other schemes.
  const url = URL.parse(`http://${host}`);
  const port = /:(\d*)$/.exec(host)?.[1];
  if (!url || host.includes("\\") || host !== host.trim())
    return "its host must be a name or an address (IPv6 in [ ]), with a port from 1 to 65535";
  if (port !== undefined && port !== "" && Number(port) === 0) return "its port must be from 1 to 65535";
  // MQTT 3.1.1, 3.1.2.9: without a user name there is no password.
  if (login?.password && !login.username) return "it has a password but no user name";
  const isTls = scheme.toLowerCase() === "mqtts";
  return {
    isTls,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    // As registered with IANA: 1883 is mqtt, 8883 secure-mqtt.
    port: Number(port || (isTls ? 8883 : 1883)),
    ...(login?.username && { username: login.username }),
    ...(login?.password && { password: login.password }),
  };
}

/** The spellings of the password in a broker's URL, however malformed the URL is, so that a text can leave them out. */
export function passwordsIn(text: string): string[] {
  const typed = /:\/\/[^:@]*:(.*)@/s.exec(text)?.[1];
  if (typed === undefined) return [];
  const { login } = splitLogin(`:${typed}@`);
  return [typed, login?.password ?? typed];
}
