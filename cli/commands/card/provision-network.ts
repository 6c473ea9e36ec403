// The network options of `provision`: Wi-Fi, and a static address on one of the device's links.
import { isIPv4 } from "node:net";
import { countryTrouble } from "../../../provisioning/file/country.ts";
import { linkPatterns, type Network } from "../../../provisioning/file/provision-file.ts";
import { settingOf } from "../../../system/environment.ts";
import { readTextFile } from "../../../system/json-file.ts";
import { type Command, type Option, text, usageError, type Values } from "../../terminal/command.ts";
import { withoutLineEnd } from "../neighborhood/passphrase.ts";

const passwordVariable = "HAMLET_WIFI_PASSWORD";

export const networkOptions: Record<string, Option> = {
  "wifi-ssid": {
    type: "string",
    argument: "ssid",
    describe: "Wi-Fi to join; needs --wifi-password-file, HAMLET_WIFI_PASSWORD or --wifi-open",
  },
  "wifi-open": { type: "boolean", describe: "the Wi-Fi has no password, so anyone can imitate it" },
  "wifi-password-file": { type: "string", argument: "file", describe: "file with the Wi-Fi password" },
  "wifi-hidden": { type: "boolean", describe: "the access point does not send the Wi-Fi's name" },
  "wifi-country": { type: "string", argument: "DE", describe: "country whose channels are allowed" },
  address: {
    type: "string",
    argument: "ip/prefix",
    describe: "static address instead of DHCP, such as 192.168.1.5/24",
  },
  "address-on": {
    type: "string",
    argument: "wifi|cable",
    describe: "the link that gets --address (default: wifi with --wifi-ssid, else cable); the other uses DHCP",
  },
  gateway: { type: "string", argument: "ip", describe: "default gateway for --address" },
  dns: { type: "string", multiple: true, argument: "ip", describe: "name server for --address; may be repeated" },
};

/** Throws `usage.invalid`. */
export async function readNetwork(command: Command, values: Values): Promise<Network | undefined> {
  const ssid = text(values, "wifi-ssid");
  const dns = Array.isArray(values["dns"]) ? values["dns"] : undefined;
  const [address, gateway] = [text(values, "address"), text(values, "gateway")];
  const on = text(values, "address-on") ?? (ssid === undefined ? "cable" : "wifi");
  if (on !== "wifi" && on !== "cable") throw usageError(command, `--address-on must be wifi or cable, not '${on}'`);
  if (address === undefined && (gateway ?? dns ?? values["address-on"]) !== undefined)
    throw usageError(command, "--address is missing");
  const country = text(values, "wifi-country")?.toUpperCase();
  const trouble = country === undefined ? undefined : countryTrouble(country);
  if (trouble !== undefined) throw usageError(command, `--wifi-country ${text(values, "wifi-country")} ${trouble}`);
  const passwordPath = text(values, "wifi-password-file");
  if (ssid === undefined && (country ?? passwordPath) !== undefined)
    throw usageError(command, "--wifi-ssid is missing");
  const password =
    passwordPath === undefined
      ? settingOf(process.env, passwordVariable)
      : withoutLineEnd(await readTextFile(passwordPath));
  const isOpen = values["wifi-open"] === true;
  const isHidden = values["wifi-hidden"] === true;
  if (ssid === undefined && (isOpen || isHidden)) throw usageError(command, "--wifi-ssid is missing");
  // The device would come up without the Wi-Fi that somebody meant to give it.
  if (ssid === undefined && password !== undefined)
    throw usageError(command, `${passwordVariable} is set, but --wifi-ssid is missing`);
  // A forgotten password must not make the device join any open network of that name.
  if (ssid !== undefined && !password && !isOpen) {
    throw usageError(
      command,
      `the password of ${ssid} is missing: give --wifi-password-file, HAMLET_WIFI_PASSWORD, or --wifi-open if it has none`,
    );
  }
  if (password && isOpen)
    throw usageError(command, "--wifi-open is for a Wi-Fi without a password, but a password is given");
  const network: Network = {
    ...(ssid !== undefined && {
      wifi: {
        ssid,
        ...keyOf(password),
        ...(country !== undefined && { country }),
        ...(isHidden && { hidden: true }),
      },
    }),
    ...(address !== undefined && {
      staticAddress: {
        interface: linkPatterns[on],
        address,
        ...(gateway !== undefined && { gateway }),
        ...(dns && { dns }),
      },
    }),
  };
  return Object.keys(network).length > 0 ? network : undefined;
}

/** 64 hex digits are too long for a password: they are a key that `wpa_passphrase` made from one. */
const keyOf = (password: string | undefined) =>
  password && /^[0-9a-fA-F]{64}$/.test(password) ? { psk: password.toLowerCase() } : password ? { password } : {};

type StaticAddress = NonNullable<Network["staticAddress"]>;
export const linkOf = ({ interface: link }: StaticAddress) => (link === linkPatterns.wifi ? "Wi-Fi" : "cable");
export const addressLine = (wanted: StaticAddress): string => {
  const [own, other] = linkOf(wanted) === "cable" ? ["cable", "a Wi-Fi"] : ["Wi-Fi", "a cable"];
  return `its ${own} has the address ${wanted.address}; ${other} uses DHCP (--address-on)`;
};

/** Effects of the network settings that the user might not expect. */
export function networkNotes({ wifi, staticAddress }: Network): string[] {
  if (!staticAddress) return [];
  const { address, gateway } = staticAddress;
  const link = linkOf(staticAddress);
  return [
    // IPv6 routers announce themselves.
    ...(gateway === undefined && isIPv4(address.split("/")[0] ?? "")
      ? [`without --gateway the device reaches only the network of ${address} over its ${link}`]
      : []),
    ...(link === "Wi-Fi" && !wifi
      ? ["without --wifi-ssid the address applies to a Wi-Fi that the device already knows"]
      : []),
  ];
}

/** Replaces the names of fields by the flags that set them. The password has several sources. */
export const byFlag = (issues: string): string =>
  issues
    .replaceAll(/\btimezone\b/g, "--timezone")
    .replaceAll(/\bnetwork\.(staticAddress\.|wifi\.)(address|gateway|dns|ssid|password|country)\b/g, (_, part, name) =>
      name === "password" ? "the Wi-Fi's password" : part === "wifi." ? `--wifi-${name}` : `--${name}`,
    );
