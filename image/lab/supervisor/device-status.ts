// The status of each device: what it says of itself, and what the others say of it. Pure.
import type { Observed, StatusGist } from "./observed.ts";
import type { DeviceState, LabDeviceStatus } from "./status.ts";

/** An agent that has not answered for this long, which is many polls, is silent. */
const silentAfterS = 20;

type ObservedStatus = Pick<
  LabDeviceStatus,
  | "name"
  | "state"
  | "isPartitioned"
  | "id"
  | "address"
  | "release"
  | "slot"
  | "update"
  | "handshakes"
  | "seenBy"
  | "telemetry"
  | "reached"
  | "problem"
>;

/** Of every device at `nowS`. */
export function deviceStatuses(observed: Observed[], nowS: number): ObservedStatus[] {
  const speaking = observed.filter(
    ({ isOn, reached, last }) => isOn && reached.agent !== undefined && last && nowS - last.atS < silentAfterS,
  );
  return observed.map((device) => {
    const self = device.last?.gist.self;
    const { running, activity } = device.last?.gist.update ?? {};
    const witnesses = speaking.filter((other) => other !== device);
    const seen = (test: (member: StatusGist["members"][number]) => boolean) =>
      witnesses.filter((other) => other.last?.gist.members.some((member) => member.id === self?.id && test(member)));
    const seenBy = seen((member) => member.state === "alive").map((other) => other.name);
    const isSpeaking = speaking.includes(device);
    return {
      name: device.name,
      state: stateOf(device, isSpeaking, seenBy.length > 0 || observed.length === 1),
      isPartitioned: device.isPartitioned,
      ...(self && { id: self.id, release: self.release, ...(self.address && { address: self.address }) }),
      ...(running && { slot: running.slot }),
      ...(activity && { update: activity }),
      handshakes: isSpeaking
        ? (device.last?.gist.members.filter((member) => !member.isSelf && member.handshakeAgeS !== undefined).length ??
          0)
        : 0,
      seenBy,
      telemetry: seen((member) => member.metrics !== undefined).length > 0,
      reached: device.reached,
      ...(device.problem !== undefined && { problem: device.problem }),
    };
  });
}

function stateOf(device: Observed, isSpeaking: boolean, isSeen: boolean): DeviceState {
  if (!device.isOn) return "off";
  if (device.reached.agent === undefined) return "booting";
  if (!isSpeaking) return "silent";
  if (isSeen && device.last?.gist.phase === "member") return "alive";
  return device.reached.member === undefined ? "joining" : "apart";
}
