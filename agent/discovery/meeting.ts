// What a hello leads to: the other device's record is judged and ours is given, with what the other has earned or lacks.
import { readUnverified, signedBy, signPart } from "../../provisioning/trust/jws.ts";
import { MemberRecord } from "../../provisioning/trust/record.ts";
import { HamletError } from "../../system/error.ts";
import type { Identity } from "../identity.ts";
import type { Membership } from "../membership/membership.ts";
import { type Hello, maxKnown, type Place, sayHello } from "./hello.ts";
import { maxHelloBytes } from "./post.ts";
import type { Talk } from "./seal.ts";

export type MeetingOptions = { identity: Identity; membership: Membership };
export type Meeting = {
  /** Says hello there and takes in the answer; resolves to the id of the device that gave it. Throws `device.noAnswer`, `hello.*`. */
  greet(place: Place): Promise<string>;
  /** Takes in a hello and returns our answer. Throws `hello.refused` or `hello.pending` for a device that is no member. */
  answer(hello: Hello, talk: Talk, from: string): Promise<Hello>;
};

export function makeMeeting({ identity, membership }: MeetingOptions): Meeting {
  /** Nonces of our own hellos on their way: one that arrives here was said to ourselves, by an address that we did not know for ours. */
  const spoken = new Set<string>();
  /** `theirs`: the revocations that the other knows. What it lacks goes along, as much as one hello holds. */
  const ownHello = (talk: Talk, theirs?: readonly string[]): Hello => {
    const revocations: string[] = [];
    let length = 0;
    for (const jws of theirs ? membership.revocationsBeyond(theirs) : []) {
      length += jws.length;
      // At least one: no hello would ever carry a longer one.
      if (revocations.length > 0 && length > maxHelloBytes / 4) break;
      revocations.push(jws);
    }
    // A set of more than one hello holds differs at its newest end, if at all.
    const known = membership.revocations().documents.map(({ digest }) => digest);
    const presence = signPart("hamlet-presence", spokenIn(talk), identity.key);
    return { record: identity.jws, presence, known: known.slice(-maxKnown), revocations };
  };

  /** `more`: what the other has earned or lacks. */
  const take = async (hello: Hello, by: string, talk: Talk, from: string): Promise<Partial<Hello> | undefined> => {
    const { record, revocations, admission, called } = hello;
    if (!isPresent(hello, by, talk)) throw new HamletError("hello.refused", "this record's device did not say this");
    const introduction = { record, revocations, called, ...(admission && { admissions: [admission] }) };
    const outcome = await membership.receive(introduction, from);
    switch (outcome.kind) {
      case "refused":
        throw new HamletError("hello.refused", `this record is refused here: ${outcome.because}`);
      case "pending":
        throw new HamletError("hello.pending", `waiting for adoption: ${outcome.because}`);
      case "self":
        throw new HamletError("hello.refused", "this is a record of my own: one of us is a copy");
      case "member": {
        // Of two newcomers none knows who was first.
        const isRenamed = identity.admissions.length > 0 && outcome.member.name !== outcome.member.record.name;
        if (!isRenamed && !outcome.admission && membership.revocationsBeyond(hello.known).length === 0)
          return undefined;
        return {
          ...(outcome.admission && { admission: outcome.admission }),
          ...(isRenamed && { called: outcome.member.name }),
        };
      }
    }
  };

  return {
    async greet(place) {
      const self = { id: identity.id, neighborhood: identity.neighborhood.id };
      let nonce = "";
      const saying = sayHello(place, self, (talk) => {
        nonce = talk.askerNonce;
        spoken.add(nonce);
        return ownHello(talk);
      });
      const { hello, talk } = await saying
        .catch(async (error: unknown) => {
          if (error instanceof HamletError && error.code === "hello.pending") {
            await membership.happen({ kind: "turnedAway", because: error.message, at: place.address });
          }
          throw error;
        })
        .finally(() => spoken.delete(nonce));
      const more = await take(hello, talk.answerer, talk, place.address);
      // Strangers get no answer, so a member that answers has admitted us. That we know the member proves no such thing.
      await membership.happen({ kind: "letIn" });
      if (more) await sayHello(place, self, (again) => ({ ...ownHello(again, hello.known), ...more }));
      return talk.answerer;
    },
    async answer(hello, talk, from) {
      if (spoken.has(talk.askerNonce)) throw new HamletError("hello.refused", "this is my own hello");
      const more = await take(hello, talk.asker, talk, from);
      return { ...ownHello(talk, hello.known), ...more };
    },
  };
}

/** What each side signs: the whole talk, but not the neighborhood's id. */
const spokenIn = ({ asker, askerNonce, answerer, answererNonce }: Talk) => ({
  asker,
  askerNonce,
  answerer,
  answererNonce,
});

/** Whether the device with this id says this itself, in this talk. Its record is judged later. Throws `Refusal`. */
function isPresent({ record, presence }: Hello, id: string, talk: Talk): boolean {
  const claimed = readUnverified("hamlet-record", record, MemberRecord.pick({ id: true, deviceKey: true }));
  return claimed.id === id && signedBy("hamlet-presence", spokenIn(talk), presence, claimed.deviceKey);
}
