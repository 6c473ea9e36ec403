// The URL of an external broker, as people type it: what it means, or what is wrong with it in words that show no password.
// Pure.
import { splitLogin } from "../../system/login.ts";

export type BrokerUrl = { isTls: boolean; host: string; port: number; username?: string; password?: string };

/** What to do about a user name or a password that does not get through. */
export const loginHint = "in its user name and password write / as %2F, ? as %3F, # as %23 and % as %25";

/** A string says what is wrong. */
export function parseBrokerUrl(text: string): BrokerUrl | string {
  const [, scheme = "", authority = "", rest = ""] = /^(mqtts?):\/\/([^/?#]*)(.*)$/is.exec(text.trim()) ?? [];
  if (!scheme) return "it must begin with mqtt:// or mqtts://";
  // The URL standard would drop some of these and keep others.
  if (/\p{Cc}/u.test(text.trim()) || !text.isWellFormed())
    return "it has a control character or half a character in it";
  if (rest.includes("@")) return `it ends where the password goes on: ${loginHint}`;
  if (rest !== "" && rest !== "/") return "after the broker's name and port nothing may follow";
  const { login, host } = splitLogin(authority);
  // As http: for other schemes the URL standard leaves names and addresses as they are.
  const url = URL.parse(`http://${host}`);
  const port = /:(\d*)$/.exec(host)?.[1];
  if (!url || host.includes("\\") || host !== host.trim())
    return "its host is no name or address (IPv6 in [ ]) with a port from 1 to 65535";
  if (port !== undefined && port !== "" && Number(port) === 0) return "its port must be from 1 to 65535";
  // MQTT 3.1.1, 3.1.2.9: without a user name there is no password.
  if (login?.password && !login.username) return "it has a password and no user name";
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

/** The password in what was given as a broker's URL, whatever else is wrong with it: for leaving it out of a text. */
export function passwordsIn(text: string): string[] {
  const typed = /:\/\/[^:@]*:(.*)@/s.exec(text)?.[1];
  if (typed === undefined) return [];
  const { login } = splitLogin(`:${typed}@`);
  return [typed, login?.password ?? typed];
}
