// How each device stands with the others: what it says of itself, and what they say of it. Pure.
import type { Sight, StatusGist } from "./sight.ts";
import type { DeviceState, LabDeviceStatus } from "./status.ts";

/** An agent that has not answered for this long is silent: many polls, on a computer that emulates several machines at once. */
const silentAfterS = 20;

type Standing = Pick<
  LabDeviceStatus,
  | "name"
  | "state"
  | "isPartitioned"
  | "id"
  | "address"
  | "release"
  | "handshakes"
  | "seenBy"
  | "telemetry"
  | "reached"
  | "problem"
>;

/** How each device stands now: what it says of itself, and what the others say of it. */
export function standings(sights: Sight[], nowS: number): Standing[] {
  const speaking = sights.filter(
    ({ isOn, reached, last }) => isOn && reached.agent !== undefined && last && nowS - last.atS < silentAfterS,
  );
  return sights.map((sight) => {
    const self = sight.last?.gist.self;
    const witnesses = speaking.filter((other) => other !== sight);
    const seen = (test: (member: StatusGist["members"][number]) => boolean) =>
      witnesses.filter((other) => other.last?.gist.members.some((member) => member.id === self?.id && test(member)));
    const seenBy = seen((member) => member.state === "alive").map((other) => other.name);
    const isSpeaking = speaking.includes(sight);
    return {
      name: sight.name,
      state: stateOf(sight, isSpeaking, seenBy.length > 0 || sights.length === 1),
      isPartitioned: sight.isPartitioned,
      ...(self && { id: self.id, release: self.release, ...(self.address && { address: self.address }) }),
      handshakes: isSpeaking
        ? (sight.last?.gist.members.filter((member) => !member.isSelf && member.handshakeAgeS !== undefined).length ??
          0)
        : 0,
      seenBy,
      telemetry: seen((member) => member.metrics !== undefined).length > 0,
      reached: sight.reached,
      ...(sight.problem !== undefined && { problem: sight.problem }),
    };
  });
}

function stateOf(sight: Sight, isSpeaking: boolean, isSeen: boolean): DeviceState {
  if (!sight.isOn) return "off";
  if (sight.reached.agent === undefined) return "booting";
  if (!isSpeaking) return "silent";
  if (isSeen && sight.last?.gist.phase === "member") return "alive";
  return sight.reached.member === undefined ? "joining" : "apart";
}
