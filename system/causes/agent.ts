// Causes of errors in the agent.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const agentCauses: Record<
  Extract<
    ErrorCode,
    | `config.${string}`
    | `identity.${string}`
    | `port.${string}`
    | `hello.${string}`
    | `guard.${string}`
    | `mesh.${string}`
    | `cluster.${string}`
    | `broker.${string}`
    | `telemetry.${string}`
    | `name.${string}`
    | `reset.${string}`
    | `api.${string}`
  >,
  Cause
> = {
  "config.invalid": {
    cause: "The agent's configuration has an unknown key or a value out of range.",
    next: "Correct the keys in the message, or remove them to use the defaults.",
  },
  "identity.invalid": {
    cause: "The files with this device's identity are damaged.",
    next: "Run `hamlet reset` on the device, then provision it again as a new device.",
  },
  "port.taken": {
    cause: "Another program listens on a port that the agent needs.",
    next: "Find it with `ss -ltnp`, and stop it or set another port.",
  },
  "hello.busy": {
    cause: "Too many requests came from one address, so the device did not answer.",
    next: "Wait a minute; if it continues, find out which host sends them.",
  },
  "hello.invalid": {
    cause: "A message on the link was not a valid hello.",
    next: "Update the older of the two devices; if no device of yours sends it, ignore it.",
  },
  "hello.pending": {
    cause: "The other device is not admitted yet, so no records were exchanged.",
    next: "Adopt it, or provision it with a token that admits it.",
  },
  "hello.refused": {
    cause:
      "Two devices met, and one of them did not accept the other: another neighborhood, a revoked device, or an invalid record.",
    next: "Provision the device again from this neighborhood's folder. If it is not yours, nothing is wrong.",
  },
  "guard.failed": {
    cause: "The packet filter that guards the mesh could not be set, so the mesh stays down.",
    next: "Install nftables, and give the agent CAP_NET_ADMIN as its systemd unit does.",
  },
  "mesh.failed": {
    cause: "The WireGuard interface or a route could not be set up.",
    next: "Install iproute2 and wireguard-tools, and look for an interface of the same name.",
  },
  "cluster.failed": {
    cause: "The agent cannot listen on its gossip port.",
    next: "Find the program that uses the port (`ss -lunp`), or set cluster.port.",
  },
  "broker.failed": {
    cause: "The built-in MQTT broker cannot listen.",
    next: "Find the program that uses the port (`ss -ltnp`).",
  },
  "telemetry.invalid": {
    cause: "The inventory of this device could not be read.",
    next: "Nothing to do: the agent tries again. If it continues, report it with `hamlet logs --archive <file>`.",
  },
  "name.taken": { cause: "Another member has that name.", next: "Choose another name, or rename that member first." },
  "reset.refused": {
    cause: "The device cannot be reset: it was not started from a Hamlet image, or the request could not be stored.",
    next: "On another system stop the agent and remove its state folder; on a device free space on the data partition.",
  },
  "reset.ownerUnknown": {
    cause: "The device was provisioned by a release that kept no owner's keys for root, which resets for nobody else.",
    next: "Log in as root and run `hamlet reset` there, or start the device from its card provisioned again: then root knows its owner.",
  },
  "reset.stale": {
    cause:
      "Root gave out no nonce like the one in the signed question, gave it out over ten minutes ago, or has used it.",
    next: "Run the command again, with a hamlet of the device's own release or a newer one.",
  },
  "reset.noRoot": {
    cause:
      "The part of the device that runs as root has not answered the agent in time, so whether it resets is not known.",
    next: "See whether the device restarts. If not, run the command again, or look on it with `journalctl -u hamlet-asked`.",
  },
  "api.refused": {
    cause: "The agent cannot do what was asked of it in its present state.",
    next: "Read the message: it names what must be done first.",
  },
};
