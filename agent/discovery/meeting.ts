// What a hello leads to: the other's record is judged, ours is given, admissions are exchanged, and of two with one name one yields.
import { HamletError } from "../../system/error.ts";
import type { Roster } from "../cluster/roster.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import { type Hello, sayHello } from "./hello.ts";
import { newName } from "./new-name.ts";

export type MeetingOptions = {
  identity: Identity;
  roster: Roster;
  warnings: Warnings;
  /** Our own record has changed: the others should know. */
  onOwnChange(): void;
  /** A member said hello from this address. */
  onMet(id: string, from: string): void;
};
export type Meeting = {
  /** Says hello there and takes the answer in. Throws `device.noAnswer`, `hello.*`. */
  greet(address: string, port: number): Promise<void>;
  /** Takes a hello in and gives our answer. Throws `hello.refused` or `hello.pending` for whoever is no member. */
  answer(hello: Hello, from: string): Promise<Hello>;
  /** Somebody who knows our record waits for our adoption, and nobody has let us in. */
  isPending(): boolean;
};

export function makeMeeting({ identity, roster, warnings, onOwnChange, onMet }: MeetingOptions): Meeting {
  let isWaiting = false;
  const ownHello = (): Hello => ({ record: identity.jws, revocations: roster.revocationsAfter(0) });

  /** Gives the admissions that the other has earned. */
  const take = async (hello: Hello, from: string): Promise<string[]> => {
    await roster.hearRevocations(hello.revocations);
    for (const admission of hello.documents ?? []) if (await identity.addAdmission(admission)) onOwnChange();
    if (identity.admissions.length > 0) letIn();
    const heard = await roster.hear(hello.record);
    switch (heard.verdict) {
      case "refused":
        throw new HamletError("hello.refused", `this record is refused here: ${heard.because}`);
      case "pending":
        throw new HamletError("hello.pending", `waiting for adoption: ${heard.because}`);
      case "self":
        throw new HamletError("hello.refused", "this is my own record");
      case "member": {
        const { record } = heard.member;
        await yieldName(record);
        onMet(record.id, from);
        return heard.admission ? [heard.admission] : [];
      }
    }
  };

  const letIn = () => {
    isWaiting = false;
    warnings.clear("waiting.pending");
  };
  const yieldName = async (other: { id: string; name: string; admissions: string[] }) => {
    const name = newName(
      identity,
      other,
      [...roster.members().values()].map(({ record }) => record.name),
    );
    if (name === undefined) return;
    const message = `another member is called ${identity.name}: this device is now ${name}`;
    warnings.raise("member.nameTaken", message, "to choose names yourself, provision each device with its own");
    await identity.rename(name);
    roster.ownNameChanged();
    onOwnChange();
  };

  return {
    async greet(address, port) {
      const answer = await sayHello(address, port, ownHello()).catch((error: unknown) => {
        if (error instanceof HamletError && error.code === "hello.pending" && identity.admissions.length === 0) {
          isWaiting = true;
          const hint = "adopt it from the owner's computer, or provision it with a new token";
          warnings.raise("waiting.pending", "the neighborhood has not let this device in yet", hint);
        }
        throw error;
      });
      // Whoever answers has let us in: strangers get nothing. That we know them says no such thing.
      letIn();
      const admissions = await take(answer, address);
      // Our word that they are in reaches them by a second hello.
      if (admissions.length > 0) await sayHello(address, port, { ...ownHello(), documents: admissions });
    },
    answer: async (hello, from) => ({ documents: await take(hello, from), ...ownHello() }),
    isPending: () => isWaiting,
  };
}
