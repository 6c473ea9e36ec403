// The severity, cause and next step of each warning, and the warnings that it may follow from.
import type { Cause } from "../../system/causes/cause.ts";
import type { Severity, WarningCode } from "./warning-codes.ts";

export type WarningCause = Cause & {
  severity: Severity;
  /** While one of these is raised, this warning is only its consequence. */
  follows?: readonly WarningCode[];
};

export const warningCauses: Record<WarningCode, WarningCause> = {
  "broker.unreachable": {
    severity: "warning",
    cause: "The MQTT broker does not answer, so telemetry waits on this device.",
    next: "Check the broker's address and that it is running; the agent keeps trying, then sends what it stored.",
    follows: ["network.down"],
  },
  "clock.behind": {
    severity: "error",
    cause: "The clock is behind dates that the neighborhood's root has signed.",
    next: "Let the device reach an NTP server, or replace its clock battery.",
  },
  "config.invalid": {
    severity: "error",
    cause: "The agent's configuration has an unknown key or a value out of range. The agent runs with what is valid.",
    next: "Correct the keys in the message, or provision the device again.",
  },
  "discovery.failed": {
    severity: "warning",
    cause: "mDNS does not work on one link, so the device does not find neighbors there.",
    next: "Check whether another program uses UDP port 5353, or list seeds in the configuration.",
    follows: ["network.down"],
  },
  "discovery.multicastBlocked": {
    severity: "warning",
    cause: "Neighbors answer by unicast, but a switch or an access point drops multicast.",
    next: "Allow multicast (224.0.0.251 and ff02::fb, UDP port 5353), or list seeds on every device.",
  },
  "firstboot.failed": {
    severity: "error",
    cause: "The first-boot program could not apply everything in the provision file.",
    next: "Follow the code in the message, such as `hamlet explain provision.wrongBoard`.",
  },
  "identity.cloned": {
    severity: "error",
    cause: "Two devices run with one identity: a card was copied after its first boot, or a disk was restored.",
    next: "Decide which of the two stays; on the other one type `hamlet reset` and provision it again.",
  },
  "install.available": {
    severity: "info",
    cause: "The device runs from a stick and has an internal disk that could take it.",
    next: "To move it to that disk, run `hamlet install` on it.",
  },
  "member.dead": {
    severity: "error",
    cause: "A member has not answered any member for some time.",
    next: "Check its power and its cable.",
    follows: ["network.down"],
  },
  "member.nameTaken": {
    severity: "warning",
    cause: "Another member had this device's name first, so this device took another one.",
    next: "Give it a name with `hamlet rename`.",
  },
  "member.wrongBytes": {
    severity: "warning",
    cause: "A member lent bytes of a release that are not what the release's signed files name. They were thrown away.",
    next: "A member checks what it lends, so a damaged repository does not look like this. Check that member's card, disk and memory; if it may be in other hands, `hamlet revoke <device>`.",
  },
  "mesh.userspace": {
    severity: "warning",
    cause: "The kernel has no WireGuard, so the mesh uses wireguard-go, which is slower.",
    next: "Install a kernel with the wireguard module: Linux 5.6 or newer.",
  },
  "names.unavailable": {
    severity: "warning",
    cause: "Names such as attic.hamlet.internal do not resolve on this device; the mesh works without them.",
    next: "Free the DNS port, or set mesh.dnsPort.",
  },
  "network.down": {
    severity: "error",
    cause: "The device has no network: no cable is plugged in, and no Wi-Fi is connected.",
    next: "Check the cable, the switch or the Wi-Fi.",
    follows: ["wifi.notFound", "wifi.refused", "wifi.wrongPassword"],
  },
  "port.taken": {
    severity: "error",
    cause: "Another program listens on a port that the agent needs.",
    next: "Find it with `ss -ltnp`, and stop it or set another port.",
  },
  "record.refused": {
    severity: "warning",
    cause: "A device on the link sent a record that this device does not accept.",
    next: "Follow the reason in the message, such as `hamlet explain tokenRevoked`. If the device is not yours, nothing is wrong.",
  },
  "rollout.noHours": {
    severity: "warning",
    cause:
      "No time server has answered for a day, so the hours in which a rollout may restart devices mean nothing here.",
    next: "Let the device reach a time server (NTP); until then it restarts at any hour.",
    follows: ["network.down"],
  },
  "rollout.paused": {
    severity: "error",
    cause: "More devices failed than the rollout allows, so no further one takes the release.",
    next: "See which failed and why with hamlet rollout status, then abort the rollout, or resume it.",
  },
  "start.failed": {
    severity: "error",
    cause: "The mesh does not start. The agent keeps trying.",
    next: "Fix what the message names.",
    follows: ["port.taken"],
  },
  "state.damaged": {
    severity: "warning",
    cause: "A state file was damaged, for example by a power cut or a worn card.",
    next: "If it happens again, replace the card or disk.",
  },
  "state.full": {
    severity: "error",
    cause: "The data partition is full, so the list of members, or an order, could not be saved.",
    next: "Free space on it, and give an order that was not taken again.",
  },
  "token.expired": {
    severity: "error",
    cause: "The device's token has expired, so no member admits it.",
    next: "Provision it again with a new token.",
    follows: ["clock.behind"],
  },
  "token.disputed": {
    severity: "warning",
    cause: "A device is a member to some and waits at others: more devices joined with its token than it allows.",
    next: "Adopt the device if it is yours; if not, revoke the token and keep your own devices.",
  },
  "token.surplus": {
    severity: "warning",
    cause: "More devices than a token allows have joined with it, admitted by members that could not see each other.",
    next: "Look through the members and revoke those that are not yours.",
  },
  "tuning.failed": {
    severity: "warning",
    cause: "A kernel setting could not be changed, so its old value stays.",
    next: "Make /proc/sys/net writable for the agent, or turn tuning off.",
  },
  "update.fallback": {
    severity: "error",
    cause:
      "A new release failed its checks, its trial ended without a verdict, or the running one's slot no longer starts, and the device returned to the one before. It works, but without the update.",
    next: "See which: `hamlet update history --log`. A trial without a verdict is repeated by itself, up to three times. For a failed release publish a better one, or acknowledge it: `hamlet update seen`.",
  },
  "update.noUpdater": {
    severity: "error",
    cause: "The device's updater has not been heard for a quarter of an hour, so nothing updates the device.",
    next: "On the device: `systemctl status hamlet-updater`.",
  },
  "update.waiting": {
    severity: "warning",
    cause: "An update cannot go on, or the device has not reached a repository for a day.",
    next: "Follow the code in the message's hint; `hamlet update status` shows what the update waits for.",
    follows: ["network.down"],
  },
  "waiting.pending": {
    severity: "info",
    cause: "The device asks to join, and no member has admitted it yet.",
    next: "Compare its code, then let it in: `hamlet adopt <name> --neighborhood <folder> --device <name>.local`.",
    follows: ["clock.behind", "network.down"],
  },
  "waiting.unprovisioned": {
    severity: "info",
    cause: "The device belongs to no neighborhood.",
    next: "Provision it: `hamlet provision <card> --neighborhood <folder> --name <name>`.",
  },
  "wifi.notFound": {
    severity: "error",
    cause: "The Wi-Fi network is not in range, or its name is misspelt or hidden.",
    next: "Move the device closer, or provision it again with the right name; `--wifi-hidden` if the access point does not send it.",
  },
  "wifi.refused": {
    severity: "error",
    cause: "The access point rejects the device: wrong password, or a filter.",
    next: "Check the access point's filter and the password.",
  },
  "wifi.wrongPassword": {
    severity: "error",
    cause: "The Wi-Fi password is wrong.",
    next: "Provision the device again with the right one.",
  },
};
