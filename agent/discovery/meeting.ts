// What a hello leads to: the other's record is judged, ours is given, admissions are exchanged, and of two with one name one yields.
import { provisionAgain } from "../../provisioning/neighborhood/provision-device.ts";
import type { PendingReason } from "../../provisioning/trust/record.ts";
import { HamletError } from "../../system/error.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Identity } from "../identity.ts";
import { newName } from "../membership/names.ts";
import type { Roster } from "../membership/roster.ts";
import { type Hello, maxHelloBytes, sayHello } from "./hello.ts";

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
  /** Says hello there and takes the answer in: whose it was. Throws `device.noAnswer`, `hello.*`. */
  greet(address: string, port: number): Promise<string>;
  /** Takes a hello in and gives our answer. Throws `hello.refused` or `hello.pending` for whoever is no member. */
  answer(hello: Hello, from: string): Promise<Hello>;
  /** Members may have been heard of by gossip: of two with one name one yields. */
  settleNames(): Promise<void>;
  /** Takes another name for good. Throws `name.taken`, or `file.full` with nothing changed. */
  rename(name: string): Promise<void>;
  /** Somebody who knows our record waits for our adoption, and nobody has let us in. */
  isPending(): boolean;
};

/** What a member says to whoever comes too late, among the reasons of `PendingReason`. */
const tokenExpired: PendingReason = "tokenExpired";

export function makeMeeting({ identity, roster, warnings, onOwnChange, onMet }: MeetingOptions): Meeting {
  let isWaiting = false;
  /** `seen`: how far the other has seen the revocations; what it lacks goes along, as much as one hello holds. */
  const ownHello = (seen = Number.POSITIVE_INFINITY): Hello => {
    const revocations: string[] = [];
    let length = 0;
    for (const jws of roster.revocationsAfter(seen)) {
      length += jws.length;
      if (length > maxHelloBytes / 2) break;
      revocations.push(jws);
    }
    return { record: identity.jws, revocations };
  };

  /** Whoever proves to be a member, and what it shall have of us: admissions that it has earned, revocations it lacks. */
  const take = async (hello: Hello, from: string): Promise<{ id: string; answer: Hello; isLacking: boolean }> => {
    const heard = await roster.hear(hello.record, hello.revocations);
    switch (heard.verdict) {
      case "refused":
        throw new HamletError("hello.refused", `this record is refused here: ${heard.because}`);
      case "pending":
        throw new HamletError("hello.pending", `waiting for adoption: ${heard.because}`);
      case "self":
        throw new HamletError("hello.refused", "this is my own record");
      case "member": {
        const { record } = heard.member;
        if (await roster.hearAdmissions(hello.documents ?? [])) onOwnChange();
        if (identity.admissions.length > 0) letIn();
        await settleNames();
        onMet(record.id, from);
        const documents = heard.admission ? [heard.admission] : [];
        const answer = { ...ownHello(record.revocation), documents };
        return { id: record.id, answer, isLacking: documents.length > 0 || answer.revocations.length > 0 };
      }
    }
  };

  const letIn = () => {
    isWaiting = false;
    warnings.clear("waiting.pending");
    warnings.clear("token.expired");
  };
  /** Only others can tell that a token has expired: this device's own clock may stand anywhere. */
  const warnOfWaiting = (because: string) => {
    const command = provisionAgain(identity.name);
    const isExpired = because.includes(tokenExpired);
    warnings.clear(isExpired ? "waiting.pending" : "token.expired");
    if (isExpired) {
      const day = new Date(identity.token.notAfter).toISOString().slice(0, 10);
      warnings.raise("token.expired", `this device's token was good until ${day}: nobody lets it in any more`, command);
    } else warnings.raise("waiting.pending", "the neighborhood has not let this device in yet", command);
  };
  const settleNames = async () => {
    const records = [...roster.members().values()].map(({ record }) => record);
    for (const other of records) {
      if (other.name === identity.name && identity.isOwnPast(other)) {
        // It can not be running: we run on its board. Its name is ours, and the others see it once it is dead to them.
        if (await identity.replace(other.id)) onOwnChange();
        continue;
      }
      const taken = records.map(({ name }) => name);
      const name = newName(identity, other, taken);
      if (name === undefined) continue;
      const message = `another member is called ${identity.name}: this device is now ${name}`;
      warnings.raise("member.nameTaken", message, "to choose names yourself, provision each device with its own");
      await identity.rename(name);
      roster.ownNameChanged();
      onOwnChange();
    }
  };

  return {
    async greet(address, port) {
      const answer = await sayHello(address, port, ownHello()).catch((error: unknown) => {
        if (error instanceof HamletError && error.code === "hello.pending" && identity.admissions.length === 0) {
          isWaiting = true;
          warnOfWaiting(error.message);
        }
        throw error;
      });
      const { id, answer: more, isLacking } = await take(answer, address);
      // A member that answers has let us in: strangers get nothing. That we know it says no such thing.
      letIn();
      // Our word that they are in, and what they lack, reach them by a second hello.
      if (isLacking) await sayHello(address, port, more);
      return id;
    },
    answer: async (hello, from) => (await take(hello, from)).answer,
    settleNames,
    async rename(name) {
      if (name === identity.name) return;
      const holder = [...roster.members().values()].find(
        (member) => member.name === name || member.record.name === name,
      );
      if (holder) {
        throw new HamletError("name.taken", `another member is called ${name}`, {
          hint: "choose another name, or rename that one first",
          exitCode: 3,
        });
      }
      await identity.rename(name, { forGood: true });
      warnings.clear("member.nameTaken");
      roster.ownNameChanged();
      onOwnChange();
    },
    isPending: () => isWaiting,
  };
}
