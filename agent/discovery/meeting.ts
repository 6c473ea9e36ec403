// What a hello leads to: the other device's record is judged and ours is given, with what the other has earned or lacks.
import { HamletError } from "../../system/error.ts";
import type { Identity } from "../identity.ts";
import type { Membership } from "../membership/membership.ts";
import { type Hello, maxHelloBytes, maxKnown, sayHello } from "./hello.ts";

export type MeetingOptions = { identity: Identity; membership: Membership };
export type Meeting = {
  /** Says hello there and takes in the answer; resolves to the id of the device that gave it. Throws `device.noAnswer`, `hello.*`. */
  greet(address: string, port: number): Promise<string>;
  /** Takes in a hello and returns our answer. Throws `hello.refused` or `hello.pending` for a device that is no member. */
  answer(hello: Hello, from: string): Promise<Hello>;
};

export function makeMeeting({ identity, membership }: MeetingOptions): Meeting {
  /** `theirs`: the revocations that the other knows. What it lacks goes along, as much as one hello holds. */
  const ownHello = (theirs?: readonly string[]): Hello => {
    const revocations: string[] = [];
    let length = 0;
    for (const jws of theirs ? membership.revocationsBeyond(theirs) : []) {
      length += jws.length;
      if (length > maxHelloBytes / 2) break;
      revocations.push(jws);
    }
    // A set of more than one hello holds differs at its newest end, if at all.
    const known = membership.revocations().documents.map(({ digest }) => digest);
    return { record: identity.jws, known: known.slice(-maxKnown), revocations };
  };

  /** `isOwed`: the other has earned an admission or lacks revocations. */
  const take = async (hello: Hello, from: string): Promise<{ id: string; answer: Hello; isOwed: boolean }> => {
    const { record, revocations, admission } = hello;
    const introduction = { record, revocations, ...(admission && { admissions: [admission] }) };
    const outcome = await membership.receive(introduction, from);
    switch (outcome.kind) {
      case "refused":
        throw new HamletError("hello.refused", `this record is refused here: ${outcome.because}`);
      case "pending":
        throw new HamletError("hello.pending", `waiting for adoption: ${outcome.because}`);
      case "self":
        throw new HamletError("hello.refused", "this is my own record");
      case "member": {
        const { id } = outcome.member.record;
        const { admission } = outcome;
        const answer = { ...ownHello(hello.known), ...(admission && { admission }) };
        return { id, answer, isOwed: admission !== undefined || answer.revocations.length > 0 };
      }
    }
  };

  return {
    async greet(address, port) {
      const answer = await sayHello(address, port, ownHello()).catch(async (error: unknown) => {
        if (error instanceof HamletError && error.code === "hello.pending") {
          await membership.happen({ kind: "turnedAway", because: error.message });
        }
        throw error;
      });
      const { id, answer: more, isOwed } = await take(answer, address);
      // Strangers get no answer, so a member that answers has admitted us. That we know the member proves no such thing.
      await membership.happen({ kind: "letIn" });
      if (isOwed) await sayHello(address, port, more);
      return id;
    },
    answer: async (hello, from) => (await take(hello, from)).answer,
  };
}
