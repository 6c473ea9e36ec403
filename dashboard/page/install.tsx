// A device that runs from its stick can move to the disk inside it: asked for here, done by root on the device.
import { useState } from "preact/hooks";
import type { Status } from "../../agent/api/status.ts";
import { bytes, count } from "../words.ts";
import { Section } from "./parts.tsx";

type Refusal = { message: string; hint?: string };
type Answer = { refusal: Refusal } | { uptimeS: number };

export function Install({ self, disk }: { self: Status["self"]; disk: NonNullable<Status["internalDisk"]> }) {
  const [typed, setTyped] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  // A fragment of the address that `hamlet open` prints.
  const key = location.hash.slice(1);
  const what = [disk.model, bytes(disk.sizeBytes), count(disk.partitions, "partition")].filter(Boolean).join(", ");
  const move = async () => setAnswer(await order(key, { id: self.id, disk: disk.path }, self.uptimeS));
  // An agent that has started since then knows what became of it, and warns.
  if (answer && "uptimeS" in answer && self.uptimeS >= answer.uptimeS) {
    return (
      <Section title="Moving to the internal disk" id="install">
        <p role="status">
          {self.name} copies itself to <code>{disk.path}</code>. Leave the stick in and the power on: it does not answer
          meanwhile, and tells here what became of it.
        </p>
      </Section>
    );
  }
  return (
    <Section title="Move to the internal disk" id="install">
      <p>
        {self.name} runs from its USB stick. The disk inside it, <code>{disk.path}</code> ({what}), can take its system
        and its identity. <b>Everything on that disk is lost</b>, and the mesh is without {self.name} for some minutes.
      </p>
      {key ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void move();
          }}
        >
          <label>
            Type its name to confirm{" "}
            <input value={typed} onInput={({ currentTarget }) => setTyped(currentTarget.value)} autocomplete="off" />
          </label>{" "}
          <button type="submit" disabled={typed.trim() !== self.name}>
            Move
          </button>
        </form>
      ) : (
        <p class="hint">
          Open the address that <code>hamlet open</code> prints to do it here, or type <code>hamlet install</code> as
          root on the device.
        </p>
      )}
      {answer && "refusal" in answer && (
        <p class="refusal" role="alert">
          {answer.refusal.message}. {answer.refusal.hint && <>Next: {answer.refusal.hint}</>}
        </p>
      )}
    </Section>
  );
}

async function order(key: string, asked: object, uptimeS: number): Promise<Answer> {
  try {
    const headers = { "content-type": "application/json", "x-hamlet-key": key };
    const response = await fetch("/v1/install", { method: "POST", headers, body: JSON.stringify(asked) });
    return response.ok ? { uptimeS } : { refusal: (await response.json()) as Refusal };
  } catch {
    return { refusal: { message: "hamlet open does not answer", hint: "start it again" } };
  }
}
